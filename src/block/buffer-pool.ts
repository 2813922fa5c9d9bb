/**
 * So much is kept that nobody uses: what a consumer keeps of the log, with room in front of each piece, comes back all at
 * once when it is given back.
 */
const MAX_KEPT_BYTES = 16 << 20
/** The same, in pieces. */
const MAX_KEPT = 16
/** So many pieces are kept while there is nothing to read. */
const MAX_KEPT_IDLE = 2
/** A piece is not used where this part of it would do. */
const WASTED_PART = 1 / 4

/** Memory that is used again when nobody uses it any more: the system makes large pieces slowly. */
export class BufferPool {
  readonly #allocate: (bytes: number) => Uint8Array
  readonly #unused: Uint8Array[] = []
  #unusedBytes = 0

  /** @param allocate as that of a device */
  constructor(allocate: (bytes: number) => Uint8Array) {
    this.#allocate = allocate
  }

  /** Memory of at least so many bytes, with anything in it, for one user. */
  lend(bytes: number): PooledBuffer {
    const fits = this.#unused.findIndex(
      ({ length }) => bytes <= length && bytes > length * WASTED_PART,
    )
    const memory = fits < 0 ? this.#allocate(bytes) : this.#takeOut(fits)
    return new PooledBuffer(memory, this.#takeBack)
  }

  /** There is nothing to read: only little is kept. */
  trim(): void {
    while (this.#unused.length > MAX_KEPT_IDLE) this.#takeOut(0)
  }

  #takeOut(index: number): Uint8Array {
    const [memory] = this.#unused.splice(index, 1) as [Uint8Array]
    this.#unusedBytes -= memory.length
    return memory
  }

  readonly #takeBack = (memory: Uint8Array): void => {
    this.#unused.push(memory)
    this.#unusedBytes += memory.length
    while (this.#unusedBytes > MAX_KEPT_BYTES || this.#unused.length > MAX_KEPT) this.#takeOut(0)
  }
}

/** A piece of lent memory. If it is never released, the pool allocates another one. */
export class PooledBuffer {
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
