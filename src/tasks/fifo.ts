/** The initial capacity, which doubles as needed. */
const FIRST_ROOM = 4

/** A queue that takes from the front in constant time. Taken items are not kept alive, and their room is used again. */
export class Fifo<T> {
  /** A circular buffer; its length is a power of two. */
  #places: (T | undefined)[] = []
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    if (this.#size === this.#places.length) this.#grow()
    this.#places[this.#placeOf(this.#size)] = item
    this.#size++
  }

  /** Puts items in front of all others, in their order. */
  unshift(items: readonly T[]): void {
    for (const item of [...items].reverse()) {
      if (this.#size === this.#places.length) this.#grow()
      this.#head = this.#placeOf(this.#places.length - 1)
      this.#places[this.#head] = item
      this.#size++
    }
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const item = this.#places[this.#head]
    this.#places[this.#head] = undefined
    this.#head = this.#placeOf(1)
    this.#size--
    return item
  }

  clear(): void {
    this.#places = []
    this.#head = 0
    this.#size = 0
  }

  /** The index of the item with this many before it. */
  #placeOf(before: number): number {
    return (this.#head + before) & (this.#places.length - 1)
  }

  #grow(): void {
    const { length } = this.#places
    const places = new Array<T | undefined>(Math.max(FIRST_ROOM, length * 2)).fill(undefined)
    for (let before = 0; before < this.#size; before++) {
      places[before] = this.#places[this.#placeOf(before)]
    }
    this.#places = places
    this.#head = 0
  }
}
