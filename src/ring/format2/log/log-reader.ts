import type { PooledBuffer } from '../../../block/buffer-pool.ts'
import { Lazy } from '../../../util/lazy.ts'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchBlocks,
  batchEnd,
  frontBytesOf,
  masksOf,
  parseHeader,
  unmasked,
} from '../disk/batch.ts'
import { type FlippedBit, guessHeader } from '../disk/correct.ts'
import type { Disk } from '../disk/disk.ts'
import { allowsEpoch, currentEpoch, type Epochs } from '../disk/epochs.ts'
import { MAX_BATCH_BYTES } from '../disk/layout.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { applyMasks } from '../disk/mask.ts'
import { BatchItems } from './batch-items.ts'
import { ReadAhead, type Window } from './read-ahead.ts'

const tables = new Lazy(() => import('../disk/correct-table.ts'))

/** The size of reads in a search, and in checks of items that are too large for memory. */
const PIECE_BYTES = 1 << 20

/** Up to this distance a search goes block by block, and beyond it in large windows. */
const NEAR_BLOCKS = 64

/** A batch that was read, and continues the log. */
export interface ReadBatch {
  readonly header: BatchHeader
  readonly items: BatchItems
  /** The log position of the next batch. */
  readonly end: LogPosition
  /** True if all items are sound. */
  readonly whole: boolean
  /** The bit that was corrected in its header or table, if any. */
  readonly flipped?: FlippedBit
}

/** A header that continues the log. */
interface FoundHeader {
  readonly header: BatchHeader
  /** The bit that was corrected in it. The correction counts only if the table's checksum confirms it. */
  readonly flipped?: FlippedBit
}

/** Options for reading a log. */
export interface LogReaderOptions {
  /** A larger item is checked, but not kept in memory. Default: one that needs a batch of its own. */
  readonly maxItemBytes?: number
  /** Ends the reading between two reads, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * Supplies memory for a search until it ends: the number of bytes given, or fewer whole blocks. Default: from the
   * device.
   */
  readonly searchMemory?: ((bytes: number) => Uint8Array) | undefined
}

/**
 * Reads the log forward, batch by batch, and searches for the next header after damage. A batch counts only if it
 * continues the chain: its header has the log position at which the one before ended, with that one's CRC, and an epoch
 * that the slots allow there. Damaged items are part of the result, not an error. `ReadAhead` has the blocks, and
 * prefetches.
 */
export class LogReader {
  readonly #disk: Disk
  readonly #maxItemBytes: number
  readonly #searchMemory: (bytes: number) => Uint8Array
  #signal: AbortSignal | undefined
  readonly #ahead: ReadAhead
  /** The LSN last searched for a batch, and what it had instead of a header; negative if there was a header. */
  #vacantLsn = -1
  readonly #vacant = new Uint8Array(BATCH_HEADER_BYTES)

  /** @param options apply until a call begins with a signal of its own */
  constructor(
    disk: Disk,
    { maxItemBytes = MAX_BATCH_BYTES, signal, searchMemory }: LogReaderOptions = {},
  ) {
    this.#disk = disk
    this.#maxItemBytes = maxItemBytes
    this.#searchMemory = searchMemory ?? ((bytes) => disk.device.allocate(bytes))
    this.#signal = signal
    this.#ahead = new ReadAhead(disk)
  }

  /** All blocks before this LSN are known to be written. */
  setWrittenTo(lsn: number): void {
    this.#ahead.setWrittenTo(lsn)
  }

  /** Bytes of memory that views of items pin. */
  get pinnedBytes(): number {
    return this.#ahead.pinnedBytes
  }

  /**
   * Begins a call. Within it nothing is read twice; outside a call, a log position without a batch is read again each
   * time.
   * @param signal ends the call between two reads, with the signal's reason
   */
  begin(signal?: AbortSignal): void {
    this.#ahead.begin()
    this.#signal = signal
  }

  /** Ends the call and the use of its signal. */
  end(): void {
    this.#signal = undefined
  }

  /** Drops what was prefetched: the next read goes to the device. */
  forget(): void {
    this.#ahead.forget()
  }

  /**
   * The batch at a log position, if one continues the chain there, with the right epoch and a valid header and table.
   */
  async batchAt(logPosition: LogPosition, epochs: Epochs): Promise<ReadBatch | undefined> {
    const mayBeOld = this.#ahead.mayBeOld(logPosition.lsn)
    const batch = await this.#batchAt(logPosition, epochs)
    if (batch?.whole === true || !mayBeOld) return batch
    // The batch may have been written since the block was prefetched.
    this.forget()
    return this.#batchAt(logPosition, epochs)
  }

  /**
   * True if no batch can have been written at an LSN since none was found there, because the bytes in place of its
   * header are unchanged. False also if the last search was elsewhere, or found one.
   * @param isLikely if true, reads all blocks that the next call needs, which must follow at once if this returns
   *   false; else reads only a sector
   */
  async isStillVacant(lsn: number, isLikely: boolean): Promise<boolean> {
    if (this.#vacantLsn !== lsn) return false
    const head = isLikely ? await this.#ahead.peek(lsn) : await this.#disk.readHead(lsn)
    const isVacant = this.#isVacant(lsn, head)
    if (isVacant && isLikely) this.forget()
    return isVacant
  }

  /** As `isStillVacant`, synchronously; false also if the device cannot be read that way. */
  isStillVacantNow(lsn: number): boolean {
    return this.#vacantLsn === lsn && this.#isVacant(lsn, this.#disk.readHeadNow(lsn))
  }

  #isVacant(lsn: number, head: Uint8Array | undefined): boolean {
    return this.#vacantLsn === lsn && this.#vacant.every((byte, at) => byte === head?.[at])
  }

  async #batchAt(logPosition: LogPosition, epochs: Epochs): Promise<ReadBatch | undefined> {
    const found = await this.#headerAt(logPosition, epochs)
    if (found !== undefined && continues(logPosition, found.header)) {
      const batch = await this.#read(found)
      if (batch !== undefined) return batch
    }
    this.#ahead.shrink()
    return undefined
  }

  /**
   * Finds where the log continues if a producer attached at a log position, with an epoch that is merged with the one
   * before: uncommitted items are dropped, and their numbers reused. The first batch shows it, because it continues at
   * the first uncommitted item.
   * @param committedTo the number of committed items before the log position
   */
  async restartAt(
    logPosition: LogPosition,
    committedTo: number,
    epochs: Epochs,
  ): Promise<LogPosition | undefined> {
    const found = await this.#headerAt(logPosition, epochs)
    if (found === undefined || committedTo >= logPosition.seq) return undefined
    const { start } = found.header
    return start.crc === logPosition.crc && start.seq === committedTo ? start : undefined
  }

  /**
   * The first header of the current epoch in a range that commits more than `committedTo` items. Everything before it
   * was complete once.
   */
  async laterHeader(
    from: number,
    to: number,
    committedTo: number,
    epochs: Epochs,
  ): Promise<BatchHeader | undefined> {
    const { epoch } = currentEpoch(epochs)
    return await this.#search(
      from,
      to,
      epochs,
      (header) => header.epoch === epoch && header.committedTo > committedTo,
    )
  }

  /** The first valid header in a range, for continuing after damage. Blocks that lie a lap before it are not read. */
  async nextHeader(from: number, to: number, epochs: Epochs): Promise<BatchHeader | undefined> {
    const lap = to - this.#disk.layout.dataBlocks
    const first = Math.max(from, lap)
    const near = Math.min(to, first + NEAR_BLOCKS)
    // It is usually near, in a prefetched block.
    for (let lsn = first; lsn < near; lsn++) {
      const header = await this.#header(lsn, epochs)
      if (header !== undefined) return header
    }
    return await this.#search(near, to, epochs, () => true)
  }

  /** The first header in a range that satisfies `isWanted`, by its own checksum. Nothing is corrected. */
  async #search(
    from: number,
    to: number,
    epochs: Epochs,
    isWanted: (header: BatchHeader) => boolean,
  ): Promise<BatchHeader | undefined> {
    const { blockSize } = this.#disk.layout
    const most = Math.min(PIECE_BYTES / blockSize, Math.max(0, to - from))
    const memory = this.#searchMemory(most * blockSize)
    const window = memory.length / blockSize
    for (let lsn = from; lsn < to; lsn += window) {
      this.#signal?.throwIfAborted()
      const bytes = memory.subarray(0, Math.min(window, to - lsn) * blockSize)
      await this.#disk.readInto(lsn, bytes)
      for (let at = 0; at < bytes.length; at += blockSize) {
        const block = bytes.subarray(at, at + blockSize)
        const header = this.#parse(block, lsn + at / blockSize, epochs)
        if (header !== undefined && isWanted(header)) return header
      }
    }
    return undefined
  }

  async #header(lsn: number, epochs: Epochs): Promise<BatchHeader | undefined> {
    const { bytes } = await this.#blocks(lsn, 1)
    return this.#parse(bytes, lsn, epochs)
  }

  #parse(block: Uint8Array, lsn: number, epochs: Epochs): BatchHeader | undefined {
    const header = parseHeader(block, lsn, this.#disk.uuid, this.#disk.layout)
    return header !== undefined && allowsEpoch(epochs, lsn, header.epoch) ? header : undefined
  }

  /** The header that continues the log. One with a flipped bit counts if it continues the chain. */
  async #headerAt(logPosition: LogPosition, epochs: Epochs): Promise<FoundHeader | undefined> {
    const { uuid, layout } = this.#disk
    const { lsn } = logPosition
    const { bytes } = await this.#blocks(lsn, 1)
    const header = parseHeader(bytes, lsn, uuid, layout)
    const guess = header === undefined ? guessHeader(bytes, lsn, uuid, layout) : undefined
    // If the header does not count yet, more may be written after it that its own sector does not show.
    this.#vacantLsn = header === undefined && guess === undefined ? lsn : -1
    if (this.#vacantLsn === lsn) this.#vacant.set(bytes.subarray(0, BATCH_HEADER_BYTES))
    if (header !== undefined && allowsEpoch(epochs, lsn, header.epoch)) return { header }
    const holds = guess?.header.start.crc === logPosition.crc
    return holds && allowsEpoch(epochs, lsn, guess.header.epoch) ? guess : undefined
  }

  /** The sound items of a batch that a search found. */
  async itemsOf(header: BatchHeader): Promise<BatchItems> {
    return (await this.#itemsOf(header, this.#blocksOf(header), false)).items
  }

  /** True if a batch that a search found is complete. */
  async isWhole(header: BatchHeader): Promise<boolean> {
    const items = await this.itemsOf(header)
    items.release()
    return items.whole
  }

  #blocksOf({ itemCount, bodyBytes }: BatchHeader): number {
    return batchBlocks(itemCount, bodyBytes, this.#disk.layout.blockSize)
  }

  /** Reads the batch of a header; undefined if the header was corrected and the table does not confirm that. */
  async #read({ header, flipped }: FoundHeader): Promise<ReadBatch | undefined> {
    const { blockSize } = this.#disk.layout
    const read = await this.#itemsOf(header, this.#blocksOf(header), flipped === undefined)
    if (flipped !== undefined && !read.items.hasTable) {
      read.items.release()
      return undefined
    }
    this.#ahead.grow()
    const { items } = read
    const bit = flipped ?? read.flipped
    const batch = { header, items, end: batchEnd(header, blockSize), whole: items.whole }
    return bit === undefined ? batch : { ...batch, flipped: bit }
  }

  /**
   * Reads table and items after a header.
   * @param mayCorrect true if a flipped bit in the table may be corrected: only one per batch is
   */
  async #itemsOf(
    header: BatchHeader,
    blocks: number,
    mayCorrect: boolean,
  ): Promise<{ readonly items: BatchItems; readonly flipped?: FlippedBit }> {
    const isHeld = header.itemCount > 1 || header.bodyBytes <= this.#maxItemBytes
    if (isHeld) this.#ahead.expect(blocks)
    const { bytes, pooled } = await this.#blocks(header.start.lsn, isHeld ? blocks : 1)
    const read = (stored: Uint8Array): BatchItems | Promise<BatchItems> => {
      if (!isHeld) return this.#scanItem(stored, header, blocks)
      let own: PooledBuffer | undefined
      const batch = unmasked(stored, header, (bytes) => {
        own = this.#ahead.acquire(bytes)
        return own.memory
      })
      return BatchItems.of(batch, header, batch === bytes ? pooled.share() : own)
    }
    const items = await read(bytes)
    if (!mayCorrect || items.hasTable) return { items }
    const { guessTable } = tables.value ?? (await tables.load())
    const guess = guessTable(bytes, header)
    const corrected = guess && (await read(guess.stored))
    if (guess === undefined || corrected?.isSound(guess.item) !== true) return { items }
    items.release()
    return { items: corrected, flipped: guess.flipped }
  }

  /** Checks an item that is too large for memory, in pieces. */
  #scanItem(first: Uint8Array, header: BatchHeader, blocks: number): Promise<BatchItems> {
    const masks = masksOf(first, header)
    const { blockSize } = this.#disk.layout
    const batchBytes = blocks * blockSize
    const from = frontBytesOf(header)
    const to = from + header.bodyBytes
    const disk = this.#disk
    const signal = this.#signal
    async function* body(): AsyncGenerator<Uint8Array> {
      const memory = disk.device.allocate(PIECE_BYTES)
      for (let at = 0; at < batchBytes; at += memory.length) {
        signal?.throwIfAborted()
        const piece = memory.subarray(0, Math.min(memory.length, batchBytes - at))
        await disk.readInto(header.start.lsn + at / blockSize, piece)
        applyMasks(piece, masks, at, batchBytes)
        yield piece.subarray(Math.max(0, from - at), Math.max(0, to - at))
      }
    }
    return BatchItems.scan(first, header, body())
  }

  #blocks(lsn: number, blocks: number): Promise<Window> {
    return this.#ahead.blocks(lsn, blocks, this.#signal)
  }
}

function continues(logPosition: LogPosition, { start }: BatchHeader): boolean {
  return (
    start.seq === logPosition.seq &&
    start.crc === logPosition.crc &&
    start.bytes === logPosition.bytes
  )
}
