/**
 * The most unused bytes kept: a consumer releases all its pieces of the log together, with room before each of them.
 */
const MAX_KEPT_BYTES = 24 << 20
/** The most unused pieces kept. */
const MAX_KEPT = 16
/** The most pieces kept while there is nothing to read. */
const MAX_KEPT_IDLE = 2
/** A piece is not used if this part of it would be enough. */
const WASTED_PART = 1 / 4

/** Overwrites memory whose remaining views cannot be detached. */
const POISON = 0xdb

/** Memory that is reused once its last user releases it, because allocating large pieces is slow. */
export class BufferPool {
  readonly #allocate: (bytes: number) => Uint8Array
  readonly #unused: Uint8Array[] = []
  #unusedBytes = 0
  #pinnedBytes = 0

  /** @param allocate as that of a device */
  constructor(allocate: (bytes: number) => Uint8Array) {
    this.#allocate = allocate
  }

  /** Bytes of the pieces that are pinned. */
  get pinnedBytes(): number {
    return this.#pinnedBytes
  }

  /** At least this many bytes of memory with arbitrary content, for one user. */
  acquire(bytes: number): PooledBuffer {
    const fits = this.#unused.findIndex(
      ({ length }) => bytes <= length && bytes > length * WASTED_PART,
    )
    const memory = fits < 0 ? this.#allocate(bytes) : this.#takeOut(fits)
    return new PooledBuffer(memory, this.#takeBack, this.#count)
  }

  /** Keeps only little, while there is nothing to read. */
  trim(): void {
    while (this.#unused.length > MAX_KEPT_IDLE) this.#takeOut(0)
  }

  #takeOut(index: number): Uint8Array {
    const [memory] = this.#unused.splice(index, 1) as [Uint8Array]
    this.#unusedBytes -= memory.length
    return memory
  }

  readonly #count = (pinnedBytes: number): void => {
    this.#pinnedBytes += pinnedBytes
  }

  readonly #takeBack = (memory: Uint8Array): void => {
    this.#unused.push(memory)
    this.#unusedBytes += memory.length
    while (this.#unusedBytes > MAX_KEPT_BYTES || this.#unused.length > MAX_KEPT) this.#takeOut(0)
  }
}

/** A piece of a pool's memory. If it is never released, the pool allocates another one. */
export class PooledBuffer {
  /** May be longer than requested. */
  readonly memory: Uint8Array
  readonly #takeBack: (memory: Uint8Array) => void
  readonly #count: (pinnedBytes: number) => void
  /** The bytes of its buffer before this one may have been changed. */
  viewedTo = 0
  /** Its length, even after a program transferred it with a view. */
  readonly #bytes: number
  #users = 1
  /** Undefined if it was never pinned. */
  #pins: number | undefined
  /** True if a view of it stays valid for as long as the program keeps it. */
  #isGivenAway = false

  constructor(
    memory: Uint8Array,
    takeBack: (memory: Uint8Array) => void,
    count: (pinnedBytes: number) => void,
  ) {
    this.memory = memory
    this.#bytes = memory.length
    this.#takeBack = takeBack
    this.#count = count
  }

  /** True if a program that has a view took the memory away: transferred it, or made it smaller. */
  get isGone(): boolean {
    return this.memory.length === 0
  }

  /** Adds a user, which also has to release it. */
  share(): this {
    this.#users++
    return this
  }

  /** As `share`, for a user that hands out views, which may be kept too long: `unpin` ends it. */
  pin(): this {
    const pins = this.#pins ?? 0
    if (pins === 0) this.#count(this.#bytes)
    this.#pins = pins + 1
    return this.share()
  }

  /** Ends a `pin`. */
  unpin(): void {
    this.#pins = (this.#pins ?? 0) - 1
    if (this.#pins === 0) this.#count(-this.#bytes)
    this.release()
  }

  /** Ends a `pin` whose views stay good: the memory is never used again. */
  giveAway(): void {
    this.#isGivenAway = true
    this.unpin()
  }

  /** Removes a user. After the last one, the memory may be overwritten at any time, unless it was given away. */
  release(): void {
    this.#users--
    if (this.#users > 0 || this.#isGivenAway) return
    const memory = this.#pins === undefined ? this.memory : takenAway(this.memory)
    if (memory !== undefined) this.#takeBack(memory)
  }
}

/**
 * The same memory with all older views detached, so that using one fails visibly. Undefined if that is impossible,
 * for memory that is a part of something else: then it is overwritten, and not used again.
 */
function takenAway(memory: Uint8Array): Uint8Array | undefined {
  const { buffer, byteLength } = memory
  // A program took it away already, and there is nothing to overwrite.
  if (byteLength === 0) return undefined
  if (buffer.byteLength === byteLength) {
    try {
      const moved = structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
      return new Uint8Array(moved, 0, byteLength)
    } catch {
      // There is memory that is not detached, such as that of WebAssembly.
    }
  }
  memory.fill(POISON)
  return undefined
}
