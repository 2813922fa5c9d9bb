import type { ItemSplitter } from './splitter.ts'
import { tooLarge } from './splitter.ts'

const NEWLINE = 0x0a

/** Lines of bytes, without their newlines. The last one needs none. */
export class Lines implements ItemSplitter {
  readonly #maxBytes: number
  /** The pieces of a line whose end has not arrived yet. */
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  feed(chunk: Uint8Array, items: Uint8Array[]): void {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end))
      items.push(this.#take())
      start = end + 1
    }
    if (start < chunk.length) this.#add(chunk.subarray(start))
  }

  end(items: Uint8Array[]): void {
    if (this.#pieces.length > 0) items.push(this.#take())
  }

  #add(piece: Uint8Array): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#maxBytes) throw tooLarge(`over ${this.#maxBytes}`, this.#maxBytes)
    this.#pieces.push(piece)
  }

  #take(): Uint8Array {
    const [first, ...more] = this.#pieces
    const line = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#bytes = 0
    return line
  }
}
