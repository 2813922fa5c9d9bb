import { DEFAULT_MAX_ITEM_BYTES } from '../../shared/item-limits.ts'
import { type BatchHeader, batchBlocks, batchEnd, parseHeader, unmasked } from '../disk/batch.ts'
import type { Disk } from '../disk/disk.ts'
import { allowsEpoch, type Epochs } from '../disk/epochs.ts'
import { maxBatchBlocks } from '../disk/layout.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { BatchItems } from '../log/batch-items.ts'

/** Bytes of the first read: few, because callers usually want only the last items. */
const FIRST_BYTES = 64 << 10
const MOST_BYTES = 1 << 20

/** A batch of the log, read backward. */
export interface PastBatch {
  readonly header: BatchHeader
  readonly items: BatchItems
  /** Items of the batch before this sequence number are in the log. A later epoch dropped the others. */
  readonly limit: number
}

/** Options of `BackwardReader`. */
export interface BackwardReaderOptions {
  /** Limits the search to batches that an item of this length can need, or that have several items. Default 16 MiB. */
  readonly maxItemBytes?: number | undefined
  /** Ends the search between two reads, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads the log backward from a known log position, batch by batch, as far as it verifies.
 *
 * A log position has the CRC of the batch before it, and that batch has the CRC of the one before. So each batch found
 * is exactly the one from which the log was continued. Nothing else can match, wherever it lies: not the content of an
 * item (masks keep structures out of items at every offset that is searched), nor remains of earlier laps (LSN), of
 * other rings (UUID) or of dropped tails (chain). The whole batch has to verify, header, table and items; nothing is
 * corrected.
 *
 * The length of the previous batch is unknown, so its header is searched block by block: at most the length of the
 * largest batch, and at most one lap.
 */
export class BackwardReader {
  readonly #disk: Disk
  readonly #epochs: Epochs
  readonly #signal: AbortSignal | undefined
  readonly #mostBlocks: number
  /** Blocks before this LSN have been overwritten. */
  readonly #floor: number
  #at: LogPosition
  /** The epoch of the following batch, if one was read. */
  #epoch: number | undefined
  /** Items from this sequence number on are not in the log. */
  #limit: number
  #windowBytes = FIRST_BYTES
  #window: { readonly lsn: number; readonly bytes: Uint8Array } = {
    lsn: 0,
    bytes: new Uint8Array(0),
  }

  constructor(disk: Disk, epochs: Epochs, from: LogPosition, options: BackwardReaderOptions = {}) {
    const { maxItemBytes = DEFAULT_MAX_ITEM_BYTES, signal } = options
    const { layout } = disk
    const single = batchBlocks(1, maxItemBytes, layout.blockSize)
    this.#disk = disk
    this.#epochs = epochs
    this.#signal = signal
    this.#mostBlocks = Math.min(layout.dataBlocks, Math.max(single, maxBatchBlocks(layout)))
    this.#floor = Math.max(0, from.lsn - layout.dataBlocks)
    this.#at = from
    this.#limit = from.seq
  }

  /** The log position at which the next batch read ends. */
  get at(): LogPosition {
    return this.#at
  }

  /**
   * The batch that ends at the current log position.
   * @returns undefined if none verifies: it is overwritten, damaged, or larger than the limit
   * @throws the signal's reason
   */
  async before(): Promise<PastBatch | undefined> {
    const header = await this.#headerBefore()
    if (header === undefined) return undefined
    const { itemCount, bodyBytes, start } = header
    const { blockSize } = this.#disk.layout
    const stored = await this.#blocks(start.lsn, batchBlocks(itemCount, bodyBytes, blockSize))
    const items = BatchItems.of(unmasked(stored, header), header)
    if (!items.whole) return undefined
    this.#limit = Math.min(this.#limit, this.#at.seq)
    this.#at = start
    this.#epoch = header.epoch
    return { header, items, limit: this.#limit }
  }

  async #headerBefore(): Promise<BatchHeader | undefined> {
    const { layout, uuid } = this.#disk
    const { lsn: end } = this.#at
    const least = Math.max(this.#floor, end - this.#mostBlocks)
    for (let lsn = end - 1; lsn >= least; lsn--) {
      const header = parseHeader(await this.#blocks(lsn, 1), lsn, uuid, layout)
      if (header !== undefined && this.#leadsHere(header)) return header
    }
    return undefined
  }

  #leadsHere(header: BatchHeader): boolean {
    const { lsn, seq, bytes, crc } = this.#at
    const { epoch } = header
    const end = batchEnd(header, this.#disk.layout.blockSize)
    if (end.lsn !== lsn || header.crc !== crc) return false
    if (!allowsEpoch(this.#epochs, header.start.lsn, epoch)) return false
    if (this.#epoch !== undefined && epoch > this.#epoch) return false
    if (end.seq === seq && end.bytes === bytes) return true
    // At an epoch's beginning, and at the end of the committed log, uncommitted items are dropped and their numbers
    // reused.
    return end.seq > seq && (this.#epoch === undefined || epoch < this.#epoch)
  }

  /** Blocks of the log, in memory that the next call reuses. */
  async #blocks(lsn: number, blocks: number): Promise<Uint8Array> {
    const { blockSize } = this.#disk.layout
    const { lsn: from, bytes: held } = this.#window
    const at = (lsn - from) * blockSize
    const wanted = blocks * blockSize
    if (at >= 0 && at + wanted <= held.length) return held.subarray(at, at + wanted)
    this.#signal?.throwIfAborted()
    const end = lsn + blocks
    const ahead = Math.max(blocks, Math.floor(this.#windowBytes / blockSize))
    const first = Math.max(this.#floor, end - ahead)
    this.#windowBytes = Math.min(2 * this.#windowBytes, MOST_BYTES)
    const bytes = await this.#disk.readBlocks(first, end - first)
    this.#window = { lsn: first, bytes }
    return bytes.subarray((lsn - first) * blockSize)
  }
}
