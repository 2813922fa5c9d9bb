import type { Output } from './output.ts'

/** Characters that are buffered before a write. */
const ENOUGH = 1 << 16

/** Writes many small texts in few writes. */
export class TextWriter {
  readonly #output: Output
  #pieces: string[] = []
  #length = 0

  constructor(output: Output) {
    this.#output = output
  }

  async add(text: string): Promise<void> {
    this.#pieces.push(text)
    this.#length += text.length
    if (this.#length >= ENOUGH) await this.end()
  }

  /** Writes the buffered text. */
  async end(): Promise<void> {
    const text = this.#pieces.join('')
    this.#pieces = []
    this.#length = 0
    if (text !== '') await this.#output.write(text)
  }
}
