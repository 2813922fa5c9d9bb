import { broken } from './fault.ts'

/** The most separate pieces of a reply: no server needs more, and they take memory. */
const MAX_PIECES = 1024

/** Which bytes of a request have arrived: each has to arrive once. */
export class Coverage {
  readonly #length: number
  /** Ascending, apart from each other. */
  readonly #pieces: { from: number; to: number }[] = []

  constructor(length: number) {
    this.#length = length
  }

  /** True if all bytes have arrived. */
  get complete(): boolean {
    const [first] = this.#pieces
    return first !== undefined && first.from === 0 && first.to === this.#length
  }

  /**
   * Records bytes that arrive now.
   * @throws {NbdFault} they were not requested, or arrived before
   */
  add(from: number, length: number): void {
    const to = from + length
    if (from < 0 || to > this.#length) {
      throw broken(`data within the ${this.#length} bytes asked for`, `bytes ${from} to ${to}`)
    }
    const pieces = this.#pieces
    const next = pieces.findIndex((piece) => piece.to >= from)
    const at = next < 0 ? pieces.length : next
    const before = pieces[at]?.to === from ? pieces[at] : undefined
    const after = pieces[before === undefined ? at : at + 1]
    if (after !== undefined && after.from < to) {
      throw broken('each byte once', `bytes ${from} to ${to} of a request twice`)
    }
    const touches = after?.from === to ? after : undefined
    if (before !== undefined) {
      before.to = touches?.to ?? to
      if (touches !== undefined) pieces.splice(at + 1, 1)
    } else if (touches !== undefined) {
      touches.from = from
    } else {
      pieces.splice(at, 0, { from, to })
      if (pieces.length > MAX_PIECES) {
        throw broken(`at most ${MAX_PIECES} pieces of a reply apart from each other`, 'more')
      }
    }
  }
}
