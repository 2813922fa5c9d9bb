/** Memory for direct I/O begins at a multiple of a page at most. */
const PAGE = 4096

/** Small pieces are cut from memory of this size, because the system makes it slowly. */
const SLAB_BYTES = 1 << 17

/** Larger pieces have memory of their own: a piece that is kept keeps its slab. */
const MAX_PIECE_BYTES = 1 << 14

/** The memory that this module made, which is the only memory known to begin at a page. */
const made = new WeakSet<ArrayBufferLike>()

let slab: { readonly memory: ArrayBuffer; used: number } | undefined

/**
 * Zeroed, page-aligned memory, as direct I/O requires. Resizable ArrayBuffers are page-aligned (V8 reserves whole
 * pages for them); a `Buffer` or a plain ArrayBuffer almost never is, and its alignment cannot be queried.
 */
export function allocateAligned(bytes: number): Uint8Array {
  if (bytes > MAX_PIECE_BYTES) return new Uint8Array(makeMemory(bytes), 0, bytes)
  if (slab === undefined || slab.used + bytes > SLAB_BYTES) {
    slab = { memory: makeMemory(SLAB_BYTES), used: 0 }
  }
  const piece = new Uint8Array(slab.memory, slab.used, bytes)
  slab.used += Math.ceil(bytes / PAGE) * PAGE
  return piece
}

function makeMemory(bytes: number): ArrayBuffer {
  const memory = new ArrayBuffer(bytes, { maxByteLength: bytes })
  made.add(memory)
  return memory
}

/** True if direct I/O can transfer this memory without a copy. */
export function isAligned(buffer: Uint8Array, sectorSize: number): boolean {
  if (buffer.byteLength === 0) return true
  if (buffer.byteOffset % Math.min(sectorSize, PAGE) !== 0) return false
  // A transferred buffer is another object with the same memory.
  return made.has(buffer.buffer) || isResizable(buffer.buffer)
}

function isResizable(buffer: ArrayBufferLike): boolean {
  return buffer instanceof ArrayBuffer && buffer.resizable === true
}

/** A bounded number of aligned buffers, through which unaligned memory is copied. */
export class BouncePool {
  /** Bytes in each buffer. */
  readonly bytes: number
  readonly #free: Uint8Array[] = []
  readonly #waiting: ((buffer: Uint8Array) => void)[] = []
  #unmade: number

  /** Buffers are made when they are first needed. */
  constructor(buffers: number, bytes: number) {
    this.#unmade = buffers
    this.bytes = bytes
  }

  /** Runs `work` with a buffer; waits for one while all are in use. */
  async use<T>(work: (buffer: Uint8Array) => Promise<T>): Promise<T> {
    const buffer = await this.#take()
    try {
      return await work(buffer)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free.push(buffer)
      else next(buffer)
    }
  }

  #take(): Uint8Array | Promise<Uint8Array> {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#unmade > 0) {
      this.#unmade--
      return allocateAligned(this.bytes)
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
