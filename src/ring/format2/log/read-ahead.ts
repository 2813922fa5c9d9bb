import { BufferPool, type PooledBuffer } from '../../../block/buffer-pool.ts'
import type { Disk } from '../disk/disk.ts'

/** The most bytes that a read reaches ahead, where batches are small. */
const SMALL_AHEAD_BYTES = 1 << 20
/** The same where they are large. */
const MAX_AHEAD_BYTES = 4 << 20

/** Blocks of a read where nothing is known to be there: a batch that just came, and what tells that no other one did. */
const TIP_BLOCKS = 2
/** How many times as far each read reaches as the one before, as long as there is something. */
const GROWTH = 4
/** Fewer blocks are not worth a read that nobody waits for yet. */
const MIN_COMING_BLOCKS = 4

/** Blocks that were read. */
export interface Window {
  readonly lsn: number
  readonly bytes: Uint8Array
  /** Where the bytes are. */
  readonly pooled: PooledBuffer
}

const NOTHING = { lsn: 0, bytes: new Uint8Array(0) }

/** What comes behind the window, read while that is used. */
interface Coming {
  readonly lsn: number
  /** What is read. */
  readonly bytes: Uint8Array
  /** Where that is, and in front of it room for the rest of the window. */
  readonly memory: Uint8Array
  readonly pooled: PooledBuffer
  /** Whether it could be read. */
  readonly arrived: Promise<boolean>
}

/**
 * Blocks of the log, of which more are read than are asked for as long as there is something.
 *
 *        |------- window -------|------ coming ------|
 *     lsn ^ asked for            ^ read while the window is used
 *
 * - The window grows with each batch that is found, up to `SMALL_AHEAD_BYTES`, and is as long as the last batch where that is longer.
 *   It begins anew, short, where nothing was found, and where a reader jumps.
 * - What comes is read only before `writtenTo`: behind that it may be written meanwhile.
 */
export class ReadAhead {
  readonly #disk: Disk
  readonly #memory: BufferPool
  #window: Window | undefined
  #coming: Coming | undefined
  /** Up to here, all is written: it may be read before it is wanted. */
  #writtenTo = 0
  /** Blocks that the next read takes at least. */
  #ahead = TIP_BLOCKS
  /** Blocks of the batch that was read last. */
  #batchBlocks = 1
  /** Calls that began, and during which of them the window was read. */
  #call = 0
  #windowOf = 0

  constructor(disk: Disk) {
    this.#disk = disk
    this.#memory = new BufferPool((bytes) => disk.device.allocate(bytes))
  }

  /** All before a place is known to be written. */
  setWrittenTo(lsn: number): void {
    this.#writtenTo = lsn
  }

  /** A call begins, for which nothing is read twice. */
  begin(): void {
    this.#call++
  }

  /** Forgets what was read ahead: what comes next is read from the device. */
  forget(): void {
    this.#moveTo(undefined)
    this.#coming = undefined
    this.#ahead = TIP_BLOCKS
  }

  /** Whether what is answered for a place may have been read before this call: it may have been written since. */
  mayBeOld(lsn: number): boolean {
    const isHeld = this.#held(lsn).length > 0
    const isOfNow = this.#windowOf === this.#call && this.#call > 0
    return (isHeld && !isOfNow) || this.#coming !== undefined
  }

  /** A batch of so many blocks begins where blocks are asked for next. */
  expect(blocks: number): void {
    this.#batchBlocks = blocks
  }

  /** There was a batch: the next read reaches farther. */
  grow(): void {
    const { blockSize } = this.#disk.layout
    this.#ahead = Math.min(GROWTH * this.#ahead, SMALL_AHEAD_BYTES / blockSize)
  }

  /** There was none. */
  shrink(): void {
    this.#ahead = TIP_BLOCKS
    this.#memory.trim()
  }

  #moveTo(window: Window | undefined): void {
    this.#window?.pooled.release()
    this.#window = window
  }

  /**
   * Blocks of the log, from what was read ahead and from the device.
   * @throws the signal's reason, before something is read
   */
  async blocks(lsn: number, blocks: number, signal: AbortSignal | undefined): Promise<Window> {
    const wanted = blocks * this.#disk.layout.blockSize
    const held = this.#held(lsn)
    let window = this.#window
    if (window === undefined || held.length < wanted) {
      // Who jumps may not go on from there.
      if (held.length === 0 && lsn !== this.#windowEnd) this.#ahead = TIP_BLOCKS
      const coming = await this.#takeComing(lsn, held)
      window = coming && inFront(coming, lsn, held, wanted)
      window ??= await this.#fetch(lsn, held, blocks, coming, signal)
      this.#windowOf = coming === undefined ? this.#call : 0
      this.#moveTo(window)
      this.#readAhead(window)
    }
    return { ...window, lsn, bytes: this.#held(lsn).subarray(0, wanted) }
  }

  /** Reads what is missing behind what is held and what came behind that. */
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
    const pooled = this.#memory.lend(length)
    const bytes = pooled.memory.subarray(0, length)
    bytes.set(held)
    if (coming !== undefined) {
      bytes.set(coming.bytes, held.length)
      coming.pooled.release()
    }
    if (there < length) await this.#disk.readInto(lsn + there / blockSize, bytes.subarray(there))
    return { lsn, bytes, pooled }
  }

  /** Blocks that are worth reading from a place on: the next batch may be as long as the last one, if it is there. */
  #aheadFrom(lsn: number): number {
    const most = MAX_AHEAD_BYTES / this.#disk.layout.blockSize
    const blocks = Math.max(this.#ahead, Math.min(this.#batchBlocks, most))
    return lsn + blocks > this.#writtenTo ? this.#ahead : blocks
  }

  /** What was read behind what is held, if anything was. */
  async #takeComing(lsn: number, held: Uint8Array): Promise<Coming | undefined> {
    const coming = this.#coming
    // Where it is not wanted, its memory is not released: the device may still write into it.
    this.#coming = undefined
    if (coming?.lsn !== lsn + held.length / this.#disk.layout.blockSize) return undefined
    return (await coming.arrived) ? coming : undefined
  }

  /** Begins to read what is behind the window, if much is known to be there: the device works while the items are used. */
  #readAhead(window: Window): void {
    const { blockSize, dataBlocks } = this.#disk.layout
    const { length } = window.bytes
    const lsn = window.lsn + length / blockSize
    const blocks = Math.min(this.#aheadFrom(lsn), dataBlocks - length / blockSize)
    if (blocks < MIN_COMING_BLOCKS || lsn + blocks > this.#writtenTo) return
    // The rest of a window is less than a batch, which may be as long as the last one.
    const room = Math.min(length, this.#batchBlocks * blockSize, SMALL_AHEAD_BYTES)
    const pooled = this.#memory.lend(room + blocks * blockSize)
    const memory = pooled.memory.subarray(0, room + blocks * blockSize)
    const bytes = memory.subarray(room)
    const arrived = this.#disk.readInto(lsn, bytes).then(
      () => true,
      // It is read again when it is wanted, and then that fails.
      () => false,
    )
    this.#coming = { lsn, bytes, memory, pooled, arrived }
  }

  get #windowEnd(): number {
    const { lsn, bytes } = this.#window ?? NOTHING
    return lsn + bytes.length / this.#disk.layout.blockSize
  }

  /** What was read ahead from a place on; empty if nothing was. */
  #held(lsn: number): Uint8Array {
    const { lsn: from, bytes } = this.#window ?? NOTHING
    const at = (lsn - from) * this.#disk.layout.blockSize
    return bytes.subarray(at < 0 ? bytes.length : at)
  }
}

/** What came, with what is held copied in front of it; undefined if there is no room for that, or it is not enough. */
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
