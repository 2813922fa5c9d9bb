/** So many pieces are kept that nobody uses. */
const MAX_KEPT = 2
/** A piece is not used where this part of it would do. */
const WASTED_PART = 1 / 4

/** Memory that is used again when nobody uses it any more: the system makes large pieces slowly. */
export class LentMemory {
  readonly #allocate: (bytes: number) => Uint8Array
  readonly #unused: Uint8Array[] = []

  /** @param allocate as that of a device */
  constructor(allocate: (bytes: number) => Uint8Array) {
    this.#allocate = allocate
  }

  /** Memory of at least so many bytes, with anything in it, for one user. */
  lend(bytes: number): Lent {
    const fits = this.#unused.findIndex(
      ({ length }) => bytes <= length && bytes > length * WASTED_PART,
    )
    const [memory = this.#allocate(bytes)] = fits < 0 ? [] : this.#unused.splice(fits, 1)
    return new Lent(memory, this.#takeBack)
  }

  readonly #takeBack = (memory: Uint8Array): void => {
    this.#unused.push(memory)
    if (this.#unused.length > MAX_KEPT) this.#unused.shift()
  }
}

/** A piece of lent memory. Who forgets to release it only has it made anew. */
export class Lent {
  /** May be longer than what was asked for. */
  readonly memory: Uint8Array
  readonly #takeBack: (memory: Uint8Array) => void
  #users = 1

  constructor(memory: Uint8Array, takeBack: (memory: Uint8Array) => void) {
    this.memory = memory
    this.#takeBack = takeBack
  }

  /** Has one more user, who releases it too. */
  share(): this {
    this.#users++
    return this
  }

  /** One user less. After the last one, it may be overwritten at any time. */
  release(): void {
    this.#users--
    if (this.#users === 0) this.#takeBack(this.memory)
  }
}
