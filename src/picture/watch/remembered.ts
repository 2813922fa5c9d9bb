/** Bytes are compared in pieces of this size. */
const PIECE_BYTES = 4096
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
    this.#pieces = piecesOf(bytes).map((piece) => piece.slice(0, contentBytes(piece)))
  }

  equals(bytes: Uint8Array): boolean {
    if (bytes.length !== this.#bytes) return false
    return piecesOf(bytes).every((piece, index) => {
      const content = this.#pieces[index] ?? ZEROES
      const rest = piece.subarray(content.length)
      return isSame(piece.subarray(0, content.length), content) && isZero(rest)
    })
  }
}

function piecesOf(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, index) =>
    bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES),
  )
}

function contentBytes(piece: Uint8Array): number {
  return piece.findLastIndex((byte) => byte !== 0) + 1
}

function isZero(bytes: Uint8Array): boolean {
  return isSame(bytes, ZEROES.subarray(0, bytes.length))
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
