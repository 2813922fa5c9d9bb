import { BufferPool, type PooledBuffer } from '../../../block/buffer-pool.ts'
import type { Disk } from '../disk/disk.ts'

/** Limit of the prefetch where batches are small, in bytes. */
const SMALL_AHEAD_BYTES = 1 << 20
/** Limit of the prefetch where batches are large. */
const MAX_AHEAD_BYTES = 4 << 20

/**
 * Blocks to read where none is known to be written: the batch that just came, and the block that shows there is no
 * other.
 */
const TIP_BLOCKS = 2
/** While batches keep coming, each read is this many times as long as the one before. */
const GROWTH = 4
/** Fewer blocks are not prefetched, because they do not justify a read of their own. */
const MIN_COMING_BLOCKS = 4

/** Blocks that were read. */
export interface Window {
  readonly lsn: number
  readonly bytes: Uint8Array
  /** The buffer that contains the bytes. */
  readonly pooled: PooledBuffer
}

const NOTHING = { lsn: 0, bytes: new Uint8Array(0), pooled: undefined }

/** The blocks after the window, read while the window is in use. */
interface Coming {
  readonly lsn: number
  /** The bytes being read. */
  readonly bytes: Uint8Array
  /** The buffer, with room for the rest of the window before those bytes. */
  readonly memory: Uint8Array
  readonly pooled: PooledBuffer
  /** True if the read succeeded. */
  readonly arrived: Promise<boolean>
}

/**
 * Blocks of the log, with prefetching.
 *
 *       |------- window -------|------ coming ------|
 *    lsn ^ requested            ^ read while the window is in use
 *
 * - The window grows with each batch found, up to `SMALL_AHEAD_BYTES`, or to the length of the last batch if that is
 *   longer. Where no batch was found, and where the reader jumps, it starts over at its shortest.
 * - `coming` is limited to blocks before `writtenTo`: later ones may be written during the read.
 * - `mayBeOld` is true for blocks that were read before the current call. They may have been written since.
 */
export class ReadAhead {
  readonly #disk: Disk
  readonly #memory: BufferPool
  #window: Window | undefined
  #coming: Coming | undefined
  /** All blocks before this LSN are written, and can be prefetched. */
  #writtenTo = 0
  /** The minimum length of the next read, in blocks. */
  #ahead = TIP_BLOCKS
  /** Length of the last batch, in blocks. */
  #batchBlocks = 1
  /** Number of the current call; below, of the call that read the window. */
  #call = 0
  #windowOf = 0

  constructor(disk: Disk) {
    this.#disk = disk
    this.#memory = new BufferPool((bytes) => disk.device.allocate(bytes))
  }

  /** Acquires a buffer from the pool of the windows. */
  acquire(bytes: number): PooledBuffer {
    return this.#memory.acquire(bytes)
  }

  /** Bytes of memory that views of items pin. */
  get pinnedBytes(): number {
    return this.#memory.pinnedBytes
  }

  /** All blocks before this LSN are known to be written. */
  setWrittenTo(lsn: number): void {
    this.#writtenTo = lsn
  }

  /** Begins a call, during which nothing is read twice. */
  begin(): void {
    this.#call++
  }

  /** Drops what was prefetched: the next read goes to the device. */
  forget(): void {
    this.#moveTo(undefined)
    this.#coming = undefined
    this.#ahead = TIP_BLOCKS
  }

  /**
   * Reads the blocks at an LSN as they are now. They count as read in the next call, which must follow at once, or
   * `forget`.
   */
  async peek(lsn: number): Promise<Uint8Array> {
    this.forget()
    const window = await this.#fetch(lsn, NOTHING.bytes, 1, undefined, undefined)
    this.#moveTo(window)
    this.#windowOf = this.#call + 1
    return window.bytes
  }

  /** True if the blocks at an LSN may have been read before this call, and written since. */
  mayBeOld(lsn: number): boolean {
    const isHeld = this.#inWindow(lsn).length > 0
    const isOfNow = this.#windowOf === this.#call && this.#call > 0
    return (isHeld && !isOfNow) || this.#coming !== undefined
  }

  /** Sets the length of the batch that begins at the next requested block. */
  expect(blocks: number): void {
    this.#batchBlocks = blocks
  }

  /** A batch was found: the next read is longer. */
  grow(): void {
    const { blockSize } = this.#disk.layout
    this.#ahead = Math.min(GROWTH * this.#ahead, SMALL_AHEAD_BYTES / blockSize)
  }

  /** No batch was found: the next read is short. */
  shrink(): void {
    this.#ahead = TIP_BLOCKS
    this.#memory.trim()
  }

  #moveTo(window: Window | undefined): void {
    this.#window?.pooled.release()
    this.#window = window
  }

  /**
   * Blocks of the log, prefetched or read from the device.
   * @throws the signal's reason, before anything is read
   */
  async blocks(lsn: number, blocks: number, signal: AbortSignal | undefined): Promise<Window> {
    const wanted = blocks * this.#disk.layout.blockSize
    const held = this.#inWindow(lsn)
    let window = this.#window
    if (window === undefined || held.length < wanted) {
      // A reader that jumps may not continue from there.
      if (held.length === 0 && lsn !== this.#windowEnd) this.#ahead = TIP_BLOCKS
      const coming = await this.#takeComing(lsn, held)
      window = coming && inFront(coming, lsn, held, wanted)
      window ??= await this.#fetch(lsn, held, blocks, coming, signal)
      this.#windowOf = coming === undefined ? this.#call : 0
      this.#moveTo(window)
      this.#readAhead(window)
    }
    return { ...window, lsn, bytes: this.#inWindow(lsn).subarray(0, wanted) }
  }

  /** Reads the blocks that are neither in the window nor in `coming`. */
  async #fetch(
    lsn: number,
    held: Uint8Array,
    blocks: number,
    coming: Coming | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Window> {
    signal?.throwIfAborted()
    const { blockSize, dataBlocks } = this.#disk.layout
    const there = held.length + (coming?.bytes.length ?? 0)
    const isEnough = there >= blocks * blockSize
    const ahead = Math.min(dataBlocks, Math.max(blocks, this.#aheadFrom(lsn))) * blockSize
    const length = isEnough ? there : ahead
    const pooled = this.#memory.acquire(length)
    const bytes = pooled.memory.subarray(0, length)
    bytes.set(held)
    if (coming !== undefined) {
      bytes.set(coming.bytes, held.length)
      coming.pooled.release()
    }
    if (there < length) await this.#disk.readInto(lsn + there / blockSize, bytes.subarray(there))
    return { lsn, bytes, pooled }
  }

  /** The number of blocks to read at an LSN. The next batch may be as long as the last one, if it is written. */
  #aheadFrom(lsn: number): number {
    const most = MAX_AHEAD_BYTES / this.#disk.layout.blockSize
    const blocks = Math.max(this.#ahead, Math.min(this.#batchBlocks, most))
    return lsn + blocks > this.#writtenTo ? this.#ahead : blocks
  }

  /** The prefetched blocks that follow those in the window, if any. */
  async #takeComing(lsn: number, held: Uint8Array): Promise<Coming | undefined> {
    const coming = this.#coming
    // If it does not fit, its memory is not released: the device may still be writing into it.
    this.#coming = undefined
    if (coming?.lsn !== lsn + held.length / this.#disk.layout.blockSize) return undefined
    return (await coming.arrived) ? coming : undefined
  }

  /** Prefetches the blocks after the window if many are known to be written, so that the device works meanwhile. */
  #readAhead(window: Window): void {
    const { blockSize, dataBlocks } = this.#disk.layout
    const { length } = window.bytes
    const lsn = window.lsn + length / blockSize
    const blocks = Math.min(this.#aheadFrom(lsn), dataBlocks - length / blockSize)
    if (blocks < MIN_COMING_BLOCKS || lsn + blocks > this.#writtenTo) return
    // The rest of the window is less than one batch, which may be as long as the last one.
    const room = Math.min(length, this.#batchBlocks * blockSize, SMALL_AHEAD_BYTES)
    const pooled = this.#memory.acquire(room + blocks * blockSize)
    const memory = pooled.memory.subarray(0, room + blocks * blockSize)
    const bytes = memory.subarray(room)
    const arrived = this.#disk.readInto(lsn, bytes).then(
      () => true,
      // The blocks are read again on demand, and that read throws the error.
      () => false,
    )
    this.#coming = { lsn, bytes, memory, pooled, arrived }
  }

  get #windowEnd(): number {
    const { lsn, bytes } = this.#window ?? NOTHING
    return lsn + bytes.length / this.#disk.layout.blockSize
  }

  /** The part of the window from an LSN on; empty if there is none, or if a program may have changed or detached it. */
  #inWindow(lsn: number): Uint8Array {
    const { lsn: from, bytes, pooled } = this.#window ?? NOTHING
    const at = (lsn - from) * this.#disk.layout.blockSize
    const isViewed = bytes.byteOffset + at < (pooled?.viewedTo ?? 0)
    return at < 0 || isViewed || bytes.length === 0 ? NOTHING.bytes : bytes.subarray(at)
  }
}

/** `coming`, with the rest of the window copied in front of it; undefined if it is too short, or there is no room. */
function inFront(
  { bytes, memory, pooled }: Coming,
  lsn: number,
  held: Uint8Array,
  wanted: number,
): Window | undefined {
  const from = memory.length - bytes.length - held.length
  if (from < 0 || memory.length - from < wanted) return undefined
  memory.set(held, from)
  return { lsn, bytes: memory.subarray(from), pooled }
}
