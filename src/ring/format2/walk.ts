import { type BatchHeader, batchBlocks, batchEnd, parseHeader, parseItems } from './batch.ts'
import type { Disk } from './disk.ts'
import { allowsEpoch, currentEpoch, type Epochs } from './epochs.ts'
import type { Mark } from './mark.ts'

/** The most bytes that a read reaches ahead. */
const MAX_AHEAD_BYTES = 256 * 1024

/** A batch that was read and is what it has to be; items whose checksum does not hold are undefined. */
export interface Batch {
  readonly header: BatchHeader
  readonly items: readonly (Uint8Array | undefined)[]
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
    const header = await this.#header(mark.lsn, epochs)
    if (header === undefined || !continues(mark, header)) {
      this.#ahead = 1
      return undefined
    }
    this.#ahead *= 2
    return this.#read(header)
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
   * The first header behind a place, within so many blocks, that shows that what is at that place was complete once:
   * one of the present epoch that commits items from there on.
   */
  async laterHeader(mark: Mark, epochs: Epochs, blocks: number): Promise<BatchHeader | undefined> {
    const { epoch } = currentEpoch(epochs)
    for (let lsn = mark.lsn + 1; lsn < mark.lsn + blocks; lsn++) {
      this.#ahead = MAX_AHEAD_BYTES
      const header = await this.#header(lsn, epochs)
      if (header?.epoch === epoch && header.committedTo > mark.seq) return header
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
    const items = parseItems(await this.#blocks(header.start.lsn, blocks), header)
    const whole = items.every((item) => item !== undefined)
    return { header, items, end: batchEnd(header, blockSize), whole }
  }

  /** Blocks of the log, from what was read ahead or from the device. */
  async #blocks(lsn: number, blocks: number): Promise<Uint8Array> {
    const { blockSize, dataBlocks } = this.#disk.layout
    const at = (lsn - this.#window.lsn) * blockSize
    const wanted = blocks * blockSize
    if (at >= 0 && at + wanted <= this.#window.bytes.length) {
      return this.#window.bytes.subarray(at, at + wanted)
    }
    const most = Math.max(1, Math.floor(MAX_AHEAD_BYTES / blockSize))
    const count = Math.min(dataBlocks, Math.max(blocks, Math.min(this.#ahead, most)))
    this.#window = { lsn, bytes: await this.#disk.readBlocks(lsn, count) }
    return this.#window.bytes.subarray(0, wanted)
  }
}

function continues(mark: Mark, { start }: BatchHeader): boolean {
  return start.seq === mark.seq && start.crc === mark.crc && start.bytes === mark.bytes
}
