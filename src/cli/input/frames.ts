import { CommandError, EXIT } from '../errors.ts'
import { type ItemSplitter, tooLarge } from './splitter.ts'

/** Bytes of the length before an item, little-endian. */
const HEADER_BYTES = 4

/** An item with its length before it. */
export function encodeFrame(item: Uint8Array): readonly [header: Uint8Array, item: Uint8Array] {
  const header = new Uint8Array(HEADER_BYTES)
  new DataView(header.buffer).setUint32(0, item.length, true)
  return [header, item]
}

/** Items that are each preceded by their length. */
export class Frames implements ItemSplitter {
  readonly #maxBytes: number
  /** Length of the next item, once it is known. */
  #length: number | undefined
  /**
   * The bytes of the length or of the item so far: memory grows with the input, not with the length that it announces.
   */
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  feed(chunk: Uint8Array, items: Uint8Array[]): void {
    let rest = chunk
    for (;;) {
      const wanted = (this.#length ?? HEADER_BYTES) - this.#bytes
      const piece = rest.subarray(0, wanted)
      this.#pieces.push(piece)
      this.#bytes += piece.length
      rest = rest.subarray(piece.length)
      if (piece.length < wanted) return
      const whole = this.#take()
      if (this.#length === undefined) {
        this.#length = this.#parseLength(whole)
      } else {
        this.#length = undefined
        items.push(whole)
      }
    }
  }

  end(): void {
    if (this.#length === undefined && this.#bytes === 0) return
    const expected = this.#length ?? HEADER_BYTES
    const part = this.#length === undefined ? 'length' : 'item'
    const message = `the input ends within its ${part}: expected ${expected} bytes, found ${this.#bytes}`
    const details = { expected: `${expected} bytes`, found: String(this.#bytes) }
    throw new CommandError(EXIT.fault, 'CLI_INPUT', message, details)
  }

  #parseLength(header: Uint8Array): number {
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
    const length = view.getUint32(0, true)
    if (length > this.#maxBytes) throw tooLarge(String(length), this.#maxBytes)
    return length
  }

  #take(): Uint8Array {
    const [first, ...more] = this.#pieces
    const whole = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#bytes = 0
    return whole
  }
}
