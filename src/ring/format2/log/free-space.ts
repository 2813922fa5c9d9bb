import type { Disk } from '../disk/disk.ts'
import { beginEpoch, currentEpoch, type Epoch, type Epochs, firstUnseen } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { type ConsumerSlot, maxEpochs, type ProducerSlot } from '../disk/slots.ts'
import { LogReader } from './log-reader.ts'

/** In a ring that overwrites, so large a part of it is given up at once, because each time costs two writes. */
const PARTS = 32

/**
 * Where the producer may write: what the consumer gave back, and in a ring that overwrites also what is given up. It keeps the epochs,
 * because a consumer that has not seen one goes back to where that began, so that less is given back.
 */
export class FreeSpace {
  readonly #disk: Disk
  readonly #part: number
  #consumer: readonly ConsumerSlot[]
  #epochs: Epochs
  /** The lower of both cursors, because the newer may be only in a cache. */
  #givenBack: LogPosition
  #truncatedTo: LogPosition
  /** Places that batches of this handle left behind, a part of the ring apart, all before them committed. */
  #restarts: LogPosition[] = []

  /**
   * @param consumer the consumer's slots that can be believed: at least one
   * @param truncatedTo what was given up so far
   */
  constructor(
    disk: Disk,
    consumer: readonly ConsumerSlot[],
    epochs: Epochs,
    truncatedTo: LogPosition,
  ) {
    this.#disk = disk
    this.#part = Math.max(1, Math.floor(disk.layout.dataBlocks / PARTS))
    this.#consumer = consumer
    this.#epochs = epochs
    this.#givenBack = givenBack(consumer, epochs)
    this.#truncatedTo = truncatedTo
  }

  /** What is before this place is given up. */
  get truncatedTo(): LogPosition {
    return this.#truncatedTo
  }

  /** The consumer's slots that can be believed, as they were read last. */
  get consumer(): readonly ConsumerSlot[] {
    return this.#consumer
  }

  get epochs(): Epochs {
    return this.#epochs
  }

  /** The present epoch. */
  get currentEpoch(): Epoch {
    return currentEpoch(this.#epochs)
  }

  /** Begins an epoch at the end of the log. A consumer that does not know of it may have to go back. */
  beginEpoch(start: LogPosition): void {
    const seen = this.#consumer.map((slot) => slot.seen)
    // Above what the consumer has seen, too, should the producer's slots have gone back.
    const epoch = 1 + Math.max(this.currentEpoch.epoch, ...seen)
    const limit = maxEpochs(this.#disk.layout.blockSize)
    this.#epochs = beginEpoch(this.#epochs, epoch, start, this.freeTo, seen, limit)
    this.learn(this.#consumer)
  }

  /** Takes in what the consumer says. */
  learn(consumer: readonly ConsumerSlot[]): void {
    this.#consumer = consumer
    this.#givenBack = givenBack(consumer, this.#epochs)
  }

  /** Up to where blocks may be overwritten. */
  get freeTo(): number {
    return this.#free.lsn
  }

  /**
   * Whether a producer slot says what has to be known before blocks up to a place are overwritten: where the walk of an
   * attaching producer begins, and that what the consumer did not give back is given up.
   */
  isTold(slot: ProducerSlot, overwritten: number): boolean {
    if (slot.committed.lsn < overwritten) return false
    return overwritten <= this.#givenBack.lsn || overwritten <= slot.truncatedTo.lsn
  }

  /** The log has grown to a place, and all before it is committed. */
  passed(logPosition: LogPosition): void {
    const last = this.#restarts.at(-1)
    if (!this.#disk.ring.overwrites || logPosition.lsn - (last?.lsn ?? 0) < this.#part) return
    this.#restarts.push(logPosition)
    if (this.#restarts.length > PARTS) this.#restarts.shift()
  }

  /**
   * Gives up the oldest items, if the ring overwrites, so that blocks up to `needed` may be used.
   * @param committed what is behind this place is not given up
   * @param signal ends it between two reads, with its reason: where the log is damaged, all of it is searched
   * @returns whether they may be used now
   */
  async giveUp(needed: number, committed: LogPosition, signal?: AbortSignal): Promise<boolean> {
    if (!this.#disk.ring.overwrites || needed > committed.lsn) return false
    const wanted = Math.min(needed + this.#part, committed.lsn)
    const cursor = this.#restarts.find(({ lsn }) => lsn >= wanted && lsn < wanted + this.#part)
    this.#truncatedTo = cursor ?? (await this.#restartFrom(wanted, committed, signal))
    return true
  }

  /** Nothing is given up but what is before this place: what was to be given up beyond it could not be told. */
  takeBack(truncatedTo: LogPosition): void {
    this.#truncatedTo = truncatedTo
  }

  /** The first place from `wanted` on where a batch begins and all before it is committed. */
  async #restartFrom(
    wanted: number,
    committed: LogPosition,
    signal?: AbortSignal,
  ): Promise<LogPosition> {
    const epochs = this.#epochs
    const reader = new LogReader(this.#disk, { signal })
    let logPosition = this.#free
    let committedTo = logPosition.seq
    while (logPosition.lsn < wanted || committedTo < logPosition.seq) {
      if (logPosition.lsn >= committed.lsn) return committed
      logPosition = (await reader.restartAt(logPosition, committedTo, epochs)) ?? logPosition
      const batch = await reader.batchAt(logPosition, epochs)
      const header =
        batch?.header ?? (await reader.nextHeader(logPosition.lsn + 1, committed.lsn, epochs))
      if (header === undefined) return committed
      const end = batch?.end ?? header.start
      const epoch = epochs.find(({ start }) => start.lsn === end.lsn)
      logPosition = epoch?.start ?? end
      committedTo = epoch?.start.seq ?? Math.max(committedTo, header.committedTo)
    }
    return logPosition
  }

  get #free(): LogPosition {
    return this.#givenBack.lsn < this.#truncatedTo.lsn ? this.#truncatedTo : this.#givenBack
  }
}

/** What a consumer gave back for good. A cursor that does not know of an epoch goes back to where that began. */
function givenBack(consumer: readonly ConsumerSlot[], epochs: Epochs): LogPosition {
  const places = consumer.map(({ cursor: { logPosition }, seen }) => {
    const unseen = firstUnseen(epochs, seen)
    return unseen !== undefined && unseen.start.lsn < logPosition.lsn ? unseen.start : logPosition
  })
  return places.reduce((lower, cursor) => (cursor.lsn < lower.lsn ? cursor : lower))
}
