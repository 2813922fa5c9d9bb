import { type BatchHeader, batchBlocks, batchEnd, parseHeader } from './batch.ts'
import { BatchItems } from './batch-items.ts'
import type { Disk } from './disk.ts'
import { allowsEpoch, currentEpoch, type Epochs } from './epochs.ts'
import type { Mark } from './mark.ts'

/** The most bytes that a read reaches ahead, where batches are small. */
const SMALL_AHEAD_BYTES = 1 << 20
/** The same where they are large. */
const MAX_AHEAD_BYTES = 4 << 20

/** A batch that was read and is what it has to be. */
export interface Batch {
  readonly header: BatchHeader
  readonly items: BatchItems
  /** Where the next batch begins. */
  readonly end: Mark
  /** Whether all items are there. */
  readonly whole: boolean
}

/** Walks over the log from batch to batch, reading ahead as long as there is something. */
export class Walker {
  readonly #disk: Disk
  #window: { readonly lsn: number; readonly bytes: Uint8Array } = {
    lsn: 0,
    bytes: new Uint8Array(0),
  }
  /** Blocks that the next read takes at least. */
  #ahead = 1

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Forgets what was read ahead: what comes next is read from the device. */
  forget(): void {
    this.#window = { lsn: 0, bytes: new Uint8Array(0) }
    this.#ahead = 1
  }

  /**
   * The batch that begins at a place, if there is one that continues the chain there, of the right epoch, with a
   * header and table that can be believed.
   */
  async batchAt(mark: Mark, epochs: Epochs): Promise<Batch | undefined> {
    const wasReadAhead = this.#held(mark.lsn).length > 0
    const batch = await this.#batchAt(mark, epochs)
    if (batch?.whole === true || !wasReadAhead) return batch
    // It may have been written since.
    this.forget()
    return this.#batchAt(mark, epochs)
  }

  async #batchAt(mark: Mark, epochs: Epochs): Promise<Batch | undefined> {
    const header = await this.#header(mark.lsn, epochs)
    if (header !== undefined && continues(mark, header)) return this.#read(header)
    this.#ahead = 1
    return undefined
  }

  /**
   * Where the log goes on at a place, if a producer attached there whose epoch is merged with the one before: what was held
   * back is dropped, and counted again. Its first batch tells, by continuing the chain with the item that was not committed.
   * @param committedTo items before the place that are committed
   */
  async restartAt(mark: Mark, committedTo: number, epochs: Epochs): Promise<Mark | undefined> {
    const header = await this.#header(mark.lsn, epochs)
    if (header === undefined || committedTo >= mark.seq) return undefined
    const { start } = header
    return start.crc === mark.crc && start.seq === committedTo ? start : undefined
  }

  /**
   * The first header from a place up to another that is of the present epoch and commits more than so many items: what is
   * before it was complete once.
   */
  async laterHeader(
    from: number,
    to: number,
    committedTo: number,
    epochs: Epochs,
  ): Promise<BatchHeader | undefined> {
    const { epoch } = currentEpoch(epochs)
    for (let lsn = from; lsn < to; lsn++) {
      this.#ahead = SMALL_AHEAD_BYTES / this.#disk.layout.blockSize
      const header = await this.#header(lsn, epochs)
      if (header?.epoch === epoch && header.committedTo > committedTo) return header
    }
    return undefined
  }

  /** The first header from a place up to another, as after damage. What lies a lap before that is not looked at. */
  async nextHeader(from: number, to: number, epochs: Epochs): Promise<BatchHeader | undefined> {
    const lap = to - this.#disk.layout.dataBlocks
    for (let lsn = Math.max(from, lap); lsn < to; lsn++) {
      const header = await this.#header(lsn, epochs)
      if (header !== undefined) return header
    }
    return undefined
  }

  async #header(lsn: number, epochs: Epochs): Promise<BatchHeader | undefined> {
    const block = await this.#blocks(lsn, 1)
    const header = parseHeader(block, lsn, this.#disk.uuid, this.#disk.layout.dataBlocks)
    return header !== undefined && allowsEpoch(epochs, lsn, header.epoch) ? header : undefined
  }

  async #read(header: BatchHeader): Promise<Batch> {
    const { blockSize } = this.#disk.layout
    const blocks = batchBlocks(header.records, header.bodyBytes, blockSize)
    const items = new BatchItems(await this.#blocks(header.start.lsn, blocks), header)
    // The next one may be as large.
    const ahead = Math.max(Math.min(2 * this.#ahead, SMALL_AHEAD_BYTES / blockSize), blocks)
    this.#ahead = Math.min(ahead, MAX_AHEAD_BYTES / blockSize)
    return { header, items, end: batchEnd(header, blockSize), whole: items.whole }
  }

  /** Blocks of the log, from what was read ahead and from the device. */
  async #blocks(lsn: number, blocks: number): Promise<Uint8Array> {
    const { blockSize, dataBlocks } = this.#disk.layout
    const wanted = blocks * blockSize
    const held = this.#held(lsn)
    if (held.length >= wanted) return held.subarray(0, wanted)
    const count = Math.min(dataBlocks, Math.max(blocks, this.#ahead))
    const bytes = this.#disk.device.allocate(count * blockSize)
    bytes.set(held)
    await this.#disk.readInto(lsn + held.length / blockSize, bytes.subarray(held.length))
    this.#window = { lsn, bytes }
    return bytes.subarray(0, wanted)
  }

  /** What was read ahead from a place on; empty if nothing was. */
  #held(lsn: number): Uint8Array {
    const at = (lsn - this.#window.lsn) * this.#disk.layout.blockSize
    return this.#window.bytes.subarray(at < 0 ? this.#window.bytes.length : at)
  }
}

function continues(mark: Mark, { start }: BatchHeader): boolean {
  return start.seq === mark.seq && start.crc === mark.crc && start.bytes === mark.bytes
}
