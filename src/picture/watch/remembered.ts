/** Bytes are compared in pieces of this size. */
const PIECE_BYTES = 4096
/** The content of a piece is this long, or a few times twice as long. */
const STEP_BYTES = 256
const ZEROES = new Uint8Array(PIECE_BYTES)

/**
 * Bytes that were read, to detect changes. Trailing zeroes of a piece take no memory: slots and leases are mostly
 * zeroes, and a server remembers those of all its rings, and compares them twice a second: in loops without closures,
 * and without an object for each piece.
 */
export class Remembered {
  #bytes = 0
  #pieces: readonly Uint8Array[] = []

  set(bytes: Uint8Array): void {
    const buffer = bufferOf(bytes)
    const pieces: Uint8Array[] = []
    for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
      const end = Math.min(start + PIECE_BYTES, bytes.length)
      pieces.push(bytes.slice(start, contentEnd(buffer, start, end)))
    }
    this.#bytes = bytes.length
    this.#pieces = pieces
  }

  equals(bytes: Uint8Array): boolean {
    return bytes.length === this.#bytes && this.isAt(bufferOf(bytes), 0)
  }

  /**
   * True if a buffer has the same bytes at an offset, which it has to reach beyond; false before anything was
   * remembered.
   */
  isAt(buffer: Buffer, offset: number): boolean {
    const [pieces, last] = [this.#pieces, offset + this.#bytes]
    let start = offset
    for (let index = 0; index < pieces.length; index++) {
      const content = pieces[index] as Uint8Array
      const rest = start + content.length
      const end = Math.min(start + PIECE_BYTES, last)
      if (buffer.compare(content, 0, content.length, start, rest) !== 0) return false
      if (!isZero(buffer, rest, end)) return false
      start = end
    }
    return this.#bytes > 0
  }
}

/** The offset at which the zeroes at the end of a piece begin, or a little later. */
function contentEnd(buffer: Buffer, start: number, end: number): number {
  for (let content = 0; start + content < end; content = Math.max(STEP_BYTES, 2 * content))
    if (isZero(buffer, start + content, end)) return start + content
  return end
}

function isZero(buffer: Buffer, start: number, end: number): boolean {
  return buffer.compare(ZEROES, 0, end - start, start, end) === 0
}

/** Views the same memory, without a copy. */
export function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}
