import type { Disk } from '../disk/disk.ts'
import { type Epochs, firstUnseen } from '../disk/epochs.ts'
import type { Mark } from '../disk/log-position.ts'
import type { ConsumerSlot, ProducerSlot } from '../disk/slots.ts'
import { Walker } from './log-reader.ts'

/** In a ring that overwrites, so large a part of it is given up at once, because each time costs two writes. */
const PARTS = 32

/** Where the producer may write: what the consumer gave back, and in a ring that overwrites also what is given up. */
export class Space {
  readonly #disk: Disk
  readonly #part: number
  #consumer: readonly ConsumerSlot[]
  #epochs: Epochs
  /** The lower of both cursors, because the newer may be only in a cache. */
  #givenBack: Mark
  #head: Mark
  /** Places that batches of this handle left behind, a part of the ring apart, all before them committed. */
  #places: Mark[] = []

  /**
   * @param consumer the consumer's slots that can be believed: at least one
   * @param head what was given up so far
   */
  constructor(disk: Disk, consumer: readonly ConsumerSlot[], epochs: Epochs, head: Mark) {
    this.#disk = disk
    this.#part = Math.max(1, Math.floor(disk.layout.dataBlocks / PARTS))
    this.#consumer = consumer
    this.#epochs = epochs
    this.#givenBack = givenBack(consumer, epochs)
    this.#head = head
  }

  /** What is before this place is given up. */
  get head(): Mark {
    return this.#head
  }

  /** The consumer's slots that can be believed, as they were read last. */
  get consumer(): readonly ConsumerSlot[] {
    return this.#consumer
  }

  /** Takes in what the consumer says, and which epochs there are. */
  learn(consumer: readonly ConsumerSlot[], epochs: Epochs): void {
    this.#consumer = consumer
    this.#epochs = epochs
    this.#givenBack = givenBack(consumer, epochs)
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
    return overwritten <= this.#givenBack.lsn || overwritten <= slot.head.lsn
  }

  /** The log has grown to a place, and all before it is committed. */
  passed(mark: Mark): void {
    const last = this.#places.at(-1)
    if (!this.#disk.ring.overwrites || mark.lsn - (last?.lsn ?? 0) < this.#part) return
    this.#places.push(mark)
    if (this.#places.length > PARTS) this.#places.shift()
  }

  /**
   * Gives up the oldest items, if the ring overwrites, so that blocks up to `needed` may be used.
   * @param committed what is behind this place is not given up
   * @param signal ends it between two reads, with its reason: where the log is damaged, all of it is searched
   * @returns whether they may be used now
   */
  async giveUp(needed: number, committed: Mark, signal?: AbortSignal): Promise<boolean> {
    if (!this.#disk.ring.overwrites || needed > committed.lsn) return false
    const wanted = Math.min(needed + this.#part, committed.lsn)
    const place = this.#places.find(({ lsn }) => lsn >= wanted && lsn < wanted + this.#part)
    this.#head = place ?? (await this.#walkTo(wanted, committed, signal))
    return true
  }

  /** Nothing is given up but what is before this place: what was to be given up beyond it could not be told. */
  takeBack(head: Mark): void {
    this.#head = head
  }

  /** The first place from `wanted` on where a batch begins and all before it is committed. */
  async #walkTo(wanted: number, committed: Mark, signal?: AbortSignal): Promise<Mark> {
    const epochs = this.#epochs
    const walker = new Walker(this.#disk, { signal })
    let mark = this.#free
    let committedTo = mark.seq
    while (mark.lsn < wanted || committedTo < mark.seq) {
      if (mark.lsn >= committed.lsn) return committed
      mark = (await walker.restartAt(mark, committedTo, epochs)) ?? mark
      const batch = await walker.batchAt(mark, epochs)
      const header = batch?.header ?? (await walker.nextHeader(mark.lsn + 1, committed.lsn, epochs))
      if (header === undefined) return committed
      const end = batch?.end ?? header.start
      const epoch = epochs.find(({ start }) => start.lsn === end.lsn)
      mark = epoch?.start ?? end
      committedTo = epoch?.start.seq ?? Math.max(committedTo, header.committedTo)
    }
    return mark
  }

  get #free(): Mark {
    return this.#givenBack.lsn < this.#head.lsn ? this.#head : this.#givenBack
  }
}

/** What a consumer gave back for good. A cursor that does not know of an epoch goes back to where that began. */
function givenBack(consumer: readonly ConsumerSlot[], epochs: Epochs): Mark {
  const places = consumer.map(({ cursor, seen }) => {
    const unseen = firstUnseen(epochs, seen)
    return unseen !== undefined && unseen.start.lsn < cursor.lsn ? unseen.start : cursor
  })
  return places.reduce((lower, place) => (place.lsn < lower.lsn ? place : lower))
}
