/** Bytes are compared in pieces of this size. */
const PIECE_BYTES = 4096
/** The content of a piece is measured in these. */
const STEP_BYTES = 256
const ZEROES = new Uint8Array(PIECE_BYTES)

/**
 * Bytes that were read, to detect changes. Trailing zeroes of a piece take no memory: slots and leases are mostly zeroes, and a server
 * remembers those of all its rings.
 */
export class Remembered {
  #bytes = 0
  #pieces: readonly Uint8Array[] = []

  set(bytes: Uint8Array): void {
    this.#bytes = bytes.length
    this.#pieces = Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, index) => {
      const piece = bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES)
      return piece.slice(0, contentBytes(bufferOf(piece)))
    })
  }

  equals(bytes: Uint8Array): boolean {
    if (bytes.length !== this.#bytes) return false
    const buffer = bufferOf(bytes)
    return this.#pieces.every((content, index) => {
      const start = index * PIECE_BYTES
      const rest = start + content.length
      const end = Math.min(start + PIECE_BYTES, buffer.length)
      return (
        buffer.compare(content, 0, content.length, start, rest) === 0 && isZero(buffer, rest, end)
      )
    })
  }
}

/** What stands before the zeroes at the end, or a little more. */
function contentBytes(piece: Buffer): number {
  let end = piece.length
  while (end > 0 && isZero(piece, Math.max(0, end - STEP_BYTES), end))
    end = Math.max(0, end - STEP_BYTES)
  return end
}

function isZero(buffer: Buffer, start: number, end: number): boolean {
  return buffer.compare(ZEROES, 0, end - start, start, end) === 0
}

/** The same memory, without a copy. */
function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}
