import { DEFAULT_MAX_ITEM_BYTES } from '../../shared/item-limits.ts'
import { type BatchHeader, batchBlocks, batchEnd, parseHeader, unmasked } from '../disk/batch.ts'
import type { Disk } from '../disk/disk.ts'
import { allowsEpoch, type Epochs } from '../disk/epochs.ts'
import { maxBatchBlocks } from '../disk/layout.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { BatchItems } from '../log/batch-items.ts'

/** Bytes per read: few at first, because callers usually want only the last few items. */
const FIRST_BYTES = 64 << 10
const MOST_BYTES = 1 << 20

/** A batch of the log, read backward. */
export interface PastBatch {
  readonly header: BatchHeader
  readonly items: BatchItems
  /** Items of it before this sequence number are in the log; those from there on were dropped by a later epoch. */
  readonly limit: number
}

/** How the log is read backward. */
export interface LookBackOptions {
  /** Batches that are longer than an item of this length needs are not looked for, unless they have several items. Default 16 MiB. */
  readonly maxItemBytes?: number | undefined
  /** Ends it between two reads, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads the log backward from a log position that a slot or a replay states, batch by batch, as far as it verifies.
 *
 * A log position has the CRC of the batch before it, and that batch has the CRC of the one before: so each batch is exactly the one
 * from which the log was continued, or there is none. Nothing else counts, wherever it lies: neither what an item looks like (masks
 * keep structures out of items where one is looked for), nor what is left of earlier laps (LSN), rings (UUID) or dropped tails (chain). All
 * of a batch has to be as it was written: header, table and items; nothing is corrected.
 *
 * A batch does not say how long the one before it is, so its header is looked for block by block: no further than the largest batch
 * reaches, and no further than once around.
 */
export class LookBack {
  readonly #disk: Disk
  readonly #epochs: Epochs
  readonly #signal: AbortSignal | undefined
  readonly #mostBlocks: number
  /** Everything before this LSN has been overwritten. */
  readonly #floor: number
  #at: LogPosition
  /** The epoch of the batch after, if one was read. */
  #epoch: number | undefined
  /** Items from this sequence number on are not in the log. */
  #limit: number
  #windowBytes = FIRST_BYTES
  #window: { readonly lsn: number; readonly bytes: Uint8Array } = {
    lsn: 0,
    bytes: new Uint8Array(0),
  }

  constructor(disk: Disk, epochs: Epochs, from: LogPosition, options: LookBackOptions = {}) {
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

  /** What is read next ends here. */
  get at(): LogPosition {
    return this.#at
  }

  /**
   * The batch that leads to where this is.
   * @returns undefined if none verifies: it is overwritten or damaged, or larger than what is looked for
   * @throws the signal's reason
   */
  async before(): Promise<PastBatch | undefined> {
    const header = await this.#headerBefore()
    if (header === undefined) return undefined
    const { records, bodyBytes, start } = header
    const { blockSize } = this.#disk.layout
    const stored = await this.#blocks(start.lsn, batchBlocks(records, bodyBytes, blockSize))
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
    // Where an epoch begins, or the committed log ends, items that were not committed are dropped, and their numbers used again.
    return end.seq > seq && (this.#epoch === undefined || epoch < this.#epoch)
  }

  /** Blocks of the log; the memory is used until the next call only. */
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
