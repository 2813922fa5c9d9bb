/** Memory for direct I/O begins at a multiple of a page at most. */
const PAGE = 4096

/** The memory that this module made, which is the only memory known to begin at a page. */
const made = new WeakSet<ArrayBufferLike>()

/**
 * Zeroed memory that begins at a page, as direct I/O asks. Resizable ArrayBuffers do (V8 reserves whole
 * pages for them); a `Buffer` or a plain ArrayBuffer almost never does, and nothing tells which one did.
 */
export function allocateAligned(bytes: number): Uint8Array {
  const memory = new ArrayBuffer(bytes, { maxByteLength: bytes })
  made.add(memory)
  return new Uint8Array(memory, 0, bytes)
}

/** Whether direct I/O takes this memory as it is. */
export function isAligned(buffer: Uint8Array, sectorSize: number): boolean {
  if (buffer.byteLength === 0) return true
  return buffer.byteOffset % Math.min(sectorSize, PAGE) === 0 && made.has(buffer.buffer)
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

  /** Lends a buffer while `work` runs; waits for one if all are lent. */
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
