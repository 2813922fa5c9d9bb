import { Lazy } from '../../../util/lazy.ts'
import type { Disk } from '../disk/disk.ts'
import { beginEpoch, currentEpoch, type Epoch, type Epochs, firstUnseen } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { type ConsumerSlot, maxEpochs, type ProducerSlot } from '../disk/slots.ts'

const search = new Lazy(() => import('./commit-boundary.ts'))

/** An overwriting ring gives up this part of its space at once, because each truncation costs two writes. */
const PARTS = 32

/**
 * The space that the producer may write to: blocks that the consumer has freed and, in a ring that overwrites, those of
 * the oldest items. It owns the epochs, because a consumer that has not seen an epoch goes back to its beginning, and
 * so frees less.
 */
export class FreeSpace {
  readonly #disk: Disk
  readonly #part: number
  #consumerSlots: readonly ConsumerSlot[]
  #epochs: Epochs
  /** The lower of the consumer's two cursors, because the newer one may be only in a volatile cache. */
  #consumedTo: LogPosition
  #truncatedTo: LogPosition
  /**
   * Where the ring can be truncated without a search: log positions of this handle's batches, spaced by a part of the
   * ring; everything before each is committed.
   */
  #truncationPoints: LogPosition[] = []

  /**
   * @param consumer the consumer's valid slots, at least one
   * @param truncatedTo the last truncation
   */
  constructor(
    disk: Disk,
    consumer: readonly ConsumerSlot[],
    epochs: Epochs,
    truncatedTo: LogPosition,
  ) {
    this.#disk = disk
    this.#part = Math.max(1, Math.floor(disk.layout.dataBlocks / PARTS))
    this.#consumerSlots = consumer
    this.#epochs = epochs
    this.#consumedTo = consumedTo(consumer, epochs)
    this.#truncatedTo = truncatedTo
  }

  /** Items before this log position are given up. */
  get truncatedTo(): LogPosition {
    return this.#truncatedTo
  }

  /** The consumer's valid slots, as of the last refresh. */
  get consumerSlots(): readonly ConsumerSlot[] {
    return this.#consumerSlots
  }

  get epochs(): Epochs {
    return this.#epochs
  }

  /** The current epoch. */
  get currentEpoch(): Epoch {
    return currentEpoch(this.#epochs)
  }

  /** Begins an epoch at the end of the log. A consumer that has not seen it may have to go back. */
  beginEpoch(start: LogPosition): void {
    const seen = this.#consumerSlots.map((slot) => slot.seen)
    // Higher than any epoch that the consumer has seen, in case the producer's slots went back.
    const epoch = 1 + Math.max(this.currentEpoch.epoch, ...seen)
    const limit = maxEpochs(this.#disk.layout.blockSize)
    this.#epochs = beginEpoch(this.#epochs, epoch, start, this.freeTo, seen, limit)
    this.apply(this.#consumerSlots)
  }

  /** Applies the consumer's slots. */
  apply(consumer: readonly ConsumerSlot[]): void {
    this.#consumerSlots = consumer
    this.#consumedTo = consumedTo(consumer, this.#epochs)
  }

  /** The LSN up to which blocks may be overwritten. */
  get freeTo(): number {
    return this.#free.lsn
  }

  /**
   * True if a producer slot allows blocks up to the LSN `overwritten` to be reused: recovery begins after them, and
   * unacknowledged items in them are recorded as given up.
   */
  permits(slot: ProducerSlot, overwritten: number): boolean {
    if (slot.committed.lsn < overwritten) return false
    return overwritten <= this.#consumedTo.lsn || overwritten <= slot.truncatedTo.lsn
  }

  /** Records that the log has grown to a log position before which everything is committed. */
  grewTo(logPosition: LogPosition): void {
    const last = this.#truncationPoints.at(-1)
    if (!this.#disk.ring.overwrites || logPosition.lsn - (last?.lsn ?? 0) < this.#part) return
    this.#truncationPoints.push(logPosition)
    if (this.#truncationPoints.length > PARTS) this.#truncationPoints.shift()
  }

  /**
   * Gives up the oldest items, if the ring overwrites, to free blocks up to `needed`.
   * @param committed nothing after this log position is given up
   * @param signal ends the search between two reads, with its reason: a damaged log is searched completely
   * @returns whether the blocks are free now
   */
  async giveUp(needed: number, committed: LogPosition, signal?: AbortSignal): Promise<boolean> {
    if (!this.#disk.ring.overwrites || needed > committed.lsn) return false
    const wanted = Math.min(needed + this.#part, committed.lsn)
    const point = this.#truncationPoints.find(
      ({ lsn }) => lsn >= wanted && lsn < wanted + this.#part,
    )
    if (point === undefined) {
      const { commitBoundaryFrom } = search.value ?? (await search.load())
      const from = this.#free
      this.#truncatedTo = await commitBoundaryFrom(
        this.#disk,
        this.#epochs,
        from,
        wanted,
        committed,
        signal,
      )
    } else this.#truncatedTo = point
    return true
  }

  /** Reverts a truncation that could not be written: only items before this log position are given up. */
  takeBack(truncatedTo: LogPosition): void {
    this.#truncatedTo = truncatedTo
  }

  get #free(): LogPosition {
    return this.#consumedTo.lsn < this.#truncatedTo.lsn ? this.#truncatedTo : this.#consumedTo
  }
}

/**
 * The log position up to which a consumer has acknowledged for good. A cursor that has not seen an epoch goes back to
 * its beginning.
 */
function consumedTo(consumer: readonly ConsumerSlot[], epochs: Epochs): LogPosition {
  const ends = consumer.map(({ cursor: { logPosition }, seen }) => {
    const unseen = firstUnseen(epochs, seen)
    return unseen !== undefined && unseen.start.lsn < logPosition.lsn ? unseen.start : logPosition
  })
  return ends.reduce((lower, end) => (end.lsn < lower.lsn ? end : lower))
}
