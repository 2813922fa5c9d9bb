import { Fifo } from './fifo.ts'

/** A queue of elements that arrive in arrays. It keeps the arrays: each is dropped once all its elements were taken. */
export class Arrivals<A> {
  readonly #later = new Fifo<readonly A[]>()
  #current: readonly A[] = []
  /** The number of elements taken from the current array. */
  #taken = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(arrivals: readonly A[]): void {
    if (arrivals.length > 0) this.#later.push(arrivals)
    this.#size += arrivals.length
  }

  shift(): A | undefined {
    if (this.#size === 0) return undefined
    if (this.#taken === this.#current.length) {
      this.#current = this.#later.shift() ?? []
      this.#taken = 0
    }
    this.#size--
    return this.#current[this.#taken++]
  }

  clear(): void {
    this.#later.clear()
    this.#current = []
    this.#taken = 0
    this.#size = 0
  }
}
