import type { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { Lazy } from '../../../util/lazy.ts'
import type { BatchHeader } from '../disk/batch.ts'
import { type Cursor, cursorAfter, cursorAt, itemsBefore } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { currentEpoch, type Epochs, firstUnseen } from '../disk/epochs.ts'
import { isSameLogPosition, type LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'
import { BatchIndex, type DamagedSegment, type Segment } from './batch-index.ts'
import type { BatchProblem } from './diagnose.ts'
import type { Nothing } from './found.ts'
import { KnownEpochs } from './known-epochs.ts'
import { type Landmarks, landmarkAt, landmarksOf, nextLandmark } from './landmarks.ts'
import { contradiction } from './log-errors.ts'
import { LogReader, type ReadBatch } from './log-reader.ts'

/** The errors that losses are reported with: loaded when there are any. */
export const lossErrors: Lazy<LossErrors> = new Lazy(() => import('./loss-errors.ts'))
export type LossErrors = typeof import('./loss-errors.ts')

/** A log position where the log contradicts the producer's slots as they were last read. */
export interface Suspect {
  readonly kind: 'suspect'
  readonly lsn: number
}

/**
 * Reads the log forward from a consumer's cursor, one batch after the other, and keeps what it found as segments.
 *
 *             truncated to   cursor             frontier        committed (slot)      tail
 *                  |            |                   |                  |                |
 *    ...given up---|-freed------|=== segments ======|-- not read yet --|--------------->|  LSN
 *                                                   |-- window --|- coming -|
 *
 * Blocks left of the cursor can be reused. The segments (`BatchIndex`) are what was read: batches, and gaps where one
 * is missing. Right of the frontier, `ReadAhead` has a window and prefetches. The tail, the end of the committed log,
 * is known only once reading gets there: the tail is ahead of a slot's `committed`, which is a checkpoint.
 *
 * Invariants:
 * - The frontier is where the next batch begins, and the segments reach up to it without a hole.
 * - Only items before `committedTo` are delivered. It grows with each batch, and goes back only to the beginning of an
 *   epoch, which drops the uncommitted items before it.
 * - No batch crosses a landmark, a log position where a batch begins according to the slots. One that does is damage,
 *   or a contradiction.
 * - An incomplete batch ends the log, unless a slot has more committed. Then the slots are refreshed once, because the
 *   batch may have been overwritten; if they still have more, it is damage.
 */
export class LogFront {
  /** All epochs that a producer slot has named. */
  readonly known: KnownEpochs
  /** The segments that were read and have not left the ring. */
  readonly index: BatchIndex
  readonly reader: LogReader
  readonly #disk: Disk
  readonly #onSegment: (segment: DamagedSegment) => void
  #producer: ProducerSlot
  #landmarks: Landmarks
  #frontier: LogPosition
  #committedTo: number
  /** The epoch of the last batch read. */
  #lastEpoch = 0
  #jumps = 0

  /**
   * @param maxItemBytes larger items are not read into memory
   * @param onSegment called with each batch that was read, and with each gap
   */
  constructor(
    disk: Disk,
    before: Cursor,
    producer: ProducerSlot,
    maxItemBytes: number,
    onSegment: (segment: DamagedSegment) => void,
  ) {
    this.#disk = disk
    this.reader = new LogReader(disk, { maxItemBytes })
    this.index = new BatchIndex(disk.layout.blockSize)
    this.known = new KnownEpochs(producer.epochs)
    this.#onSegment = onSegment
    this.#producer = producer
    this.#landmarks = landmarksOf(producer)
    this.#frontier = before.logPosition
    this.#committedTo = itemsBefore(before)
  }

  /** The log position of the next batch to read. */
  get frontier(): LogPosition {
    return this.#frontier
  }

  /**
   * Counts how often reading continued where no batch led: after a gap, after overwritten blocks, or at a landmark.
   * While it does not change, the chain links all batches read of an epoch.
   */
  get jumps(): number {
    return this.#jumps
  }

  /** All items before this one are committed, as far as was read. */
  get committedTo(): number {
    return this.#committedTo
  }

  /** The log position before which the producer has given up items, as of the last refresh. */
  get truncatedTo(): LogPosition {
    return this.#producer.truncatedTo
  }

  /** The newest epoch. */
  get epoch(): number {
    return currentEpoch(this.#epochs).epoch
  }

  get #epochs(): Epochs {
    return this.#producer.epochs
  }

  /**
   * Applies a producer slot. If an epoch that is new to us began before the frontier, the log from there on has
   * changed, and the frontier goes back.
   * @returns the cursor, which may have gone back
   * @throws {RingError} `RING_CORRUPT`
   */
  apply(producer: ProducerSlot, seen: number, before: Cursor): Cursor {
    this.#producer = producer
    this.#landmarks = landmarksOf(producer)
    this.reader.setWrittenTo(producer.committed.lsn)
    // The prefetched blocks may belong to an epoch that has ended.
    if (this.known.add(producer.epochs)) this.reader.forget()
    const cursor = this.#goBack(producer, seen, before)
    for (const start of [cursor.logPosition, producer.truncatedTo]) {
      if (this.#frontier.lsn >= start.lsn) continue
      this.#jumps++
      this.#startAt(start)
    }
    this.index.forgetBefore(producer.truncatedTo.lsn)
    this.#check(cursor)
    return cursor
  }

  #startAt(logPosition: LogPosition): void {
    this.reader.forget()
    this.#frontier = logPosition
    this.#committedTo = logPosition.seq
  }

  /** Checks that epochs, truncation and checkpoint agree on the number of items before the cursor. */
  #check(cursor: Cursor): void {
    const { logPosition } = cursor
    const { truncatedTo, committed } = this.#producer
    const seq = itemsBefore(cursor)
    const position = this.known.positionOf(logPosition.lsn, seq)
    const isTruncated = logPosition.lsn < truncatedTo.lsn && seq > truncatedTo.seq
    const isBeforeEnd = logPosition.lsn > committed.lsn && seq < committed.seq
    if (isTruncated || isBeforeEnd || this.known.seqOf(position) !== seq)
      throw this.#contradiction(position)
  }

  #goBack(producer: ProducerSlot, seen: number, before: Cursor): Cursor {
    const start = firstUnseen(producer.epochs, seen)?.start
    if (start !== undefined && this.#frontier.lsn >= start.lsn) {
      this.index.dropFrom(start)
      this.#startAt(start)
    }
    const cursor = cursorAfter(before, seen, producer.epochs)
    if (itemsBefore(cursor) > itemsBefore(before)) {
      throw this.#contradiction(this.#positionOf(before))
    }
    return cursor
  }

  /**
   * Reads one more batch, or decides why there is none. A batch is whole if its header and all its items hold.
   *
   * | at the frontier     | before a landmark | rechecked | then                                                     |
   * | ------------------- | ----------------- | --------- | -------------------------------------------------------- |
   * | a whole batch       | any               | any       | it is added                                              |
   * | no whole batch      | no                | any       | the log ends here                                        |
   * | no whole batch      | yes               | no        | suspect: the caller refreshes the slots and calls again  |
   * | no more than header | yes               | yes       | it is added, and its damaged items are losses            |
   * | nothing credible    | yes               | yes       | a gap is added, up to the next batch or landmark         |
   *
   * @param recheckedAt the LSN at which the slots were refreshed because a batch looked damaged, if any
   * @returns why nothing was added
   */
  async extend(recheckedAt: number | undefined): Promise<Nothing | Suspect | undefined> {
    const missingTo = this.#missingTo()
    if (missingTo !== undefined) {
      this.#addMissing(missingTo, lossErrors.value ?? (await lossErrors.load()))
      return undefined
    }
    let batch = await this.#nextBatch()
    if (batch?.whole !== true) {
      const landmark = nextLandmark(this.#landmarks, this.#frontier)
      if (landmark === undefined) return { status: 'nothing' }
      // The producer completed every batch before a landmark before it wrote the slot: what was prefetched may be
      // older.
      this.reader.forget()
      batch = await this.#batchAt(this.#frontier)
      if (batch?.whole !== true && recheckedAt !== this.#frontier.lsn)
        return { kind: 'suspect', lsn: this.#frontier.lsn }
      if (batch === undefined) {
        await this.#addGap(this.#frontier, landmark)
        return undefined
      }
    }
    if (batch.flipped !== undefined) {
      const { publishCorrection } = lossErrors.value ?? (await lossErrors.load())
      publishCorrection(this.#disk, batch)
    }
    this.#add(batch)
    return undefined
  }

  /** The landmark up to which items are committed that no batch before it contains. */
  #missingTo(): LogPosition | undefined {
    const landmark = landmarkAt(this.#landmarks, this.#frontier)
    if (landmark === undefined || landmark.seq <= this.#committedTo) return undefined
    const isHere = landmark.lsn === this.#frontier.lsn
    return isHere || landmark.seq <= this.#frontier.seq ? landmark : undefined
  }

  /**
   * The batch at the frontier, which moves first where the log continues elsewhere: at a landmark, or where an epoch
   * began.
   */
  async #nextBatch(): Promise<ReadBatch | undefined> {
    const batch = await this.#batchAt(this.#frontier)
    if (batch !== undefined) return batch
    const landmark = landmarkAt(this.#landmarks, this.#frontier)
    const isHere = landmark?.lsn === this.#frontier.lsn
    if (isHere && !isSameLogPosition(landmark, this.#frontier)) {
      if (landmark.seq < this.#committedTo)
        throw this.#contradiction(this.#positionOf(cursorAt(this.#frontier)))
      this.#jumps++
      this.#restart(landmark)
      const found = await this.#batchAt(landmark)
      if (found !== undefined) return found
    }
    const start = await this.reader.restartAt(this.#frontier, this.#committedTo, this.#epochs)
    if (start === undefined) return undefined
    this.#restart(start)
    return await this.#batchAt(start)
  }

  /** The batch at a log position, if there is one. It must not cross a landmark. */
  async #batchAt(logPosition: LogPosition): Promise<ReadBatch | undefined> {
    const batch = await this.reader.batchAt(logPosition, this.#epochs)
    const next = nextLandmark(this.#landmarks, logPosition)
    if (batch === undefined || next === undefined || batch.end.lsn <= next.lsn) return batch
    batch.items.release()
    return undefined
  }

  #add(batch: ReadBatch): void {
    const { header } = batch
    this.#addSegment({ kind: 'batch', start: header.start, end: batch.end, limit: Infinity, batch })
    this.#committedTo = Math.max(this.#committedTo, header.committedTo)
    this.#lastEpoch = header.epoch
    this.#moveTo(batch.end)
  }

  #addSegment(segment: DamagedSegment): void {
    this.#onSegment(segment)
    this.index.add(segment)
  }

  /** Takes the slot's count of committed items. Items that no batch contains are damaged. */
  #addMissing(landmark: LogPosition, { missingItems }: LossErrors): void {
    const logPosition = this.#frontier
    if (landmark.seq > logPosition.seq) {
      const problem = missingItems(this.#disk, logPosition, landmark)
      this.#addSegment({ kind: 'gap', start: logPosition, end: landmark, limit: Infinity, problem })
      this.#jumps++
      this.#frontier = landmark
    }
    this.#committedTo = landmark.seq
  }

  /** Skips blocks without a credible batch, up to the next batch or landmark. */
  async #addGap(start: LogPosition, last: LogPosition): Promise<void> {
    let logPosition = start
    const problem = await this.#problemAt(start)
    const found = await this.reader.nextHeader(logPosition.lsn + 1, last.lsn, this.#epochs)
    const end = found !== undefined && found.start.seq >= logPosition.seq ? found.start : last
    if (this.#committedTo < logPosition.seq && this.#mayHideRestart(logPosition, found)) {
      // Uncommitted items before it may have been dropped, so it may not be sound.
      logPosition = { ...logPosition, seq: this.#committedTo }
      this.index.dropFrom(logPosition)
    }
    this.#addSegment({ kind: 'gap', start: logPosition, end, limit: Infinity, problem })
    const committedTo = found === undefined ? end.seq : Math.min(end.seq, found.committedTo)
    this.#committedTo = Math.max(this.#committedTo, committedTo)
    this.#jumps++
    this.#moveTo(end)
  }

  /** True if a producer may have attached inside a gap, with an epoch that is merged with the one before. */
  #mayHideRestart(logPosition: LogPosition, found: BatchHeader | undefined): boolean {
    const entry = this.#epochs.findLast(({ start }) => start.lsn <= logPosition.lsn)
    return (entry?.span ?? 0) > 0 && found?.epoch !== this.#lastEpoch
  }

  #moveTo(end: LogPosition): void {
    const epoch = this.#epochs.find(({ start }) => start.lsn === end.lsn)
    this.#frontier = end
    // A batch with a higher item count than ours begins after the missing items.
    if (epoch !== undefined && epoch.start.seq <= end.seq) this.#restart(epoch.start)
  }

  /** Begins an epoch at the frontier, which drops the uncommitted items before it. */
  #restart(start: LogPosition): void {
    this.#frontier = start
    this.index.dropFrom(start)
    this.#committedTo = start.seq
  }

  /** The segment that contains an item. A released batch is read again. */
  async segmentAt(
    seq: number,
    recheckedAt: number | undefined,
  ): Promise<Exclude<Segment, { readonly kind: 'span' }> | Suspect | undefined> {
    for (;;) {
      const segment = this.index.find(seq)
      if (segment?.kind !== 'span') return segment
      const batch = await this.reader.batchAt(segment.start, this.#epochs)
      const isRechecked = recheckedAt === segment.start.lsn
      if (batch !== undefined && (batch.whole || isRechecked)) {
        this.index.expand(segment, batch)
        continue
      }
      batch?.items.release()
      this.reader.forget()
      if (!isRechecked) return { kind: 'suspect', lsn: segment.start.lsn }
      const problem = await this.#problemAt(segment.start)
      const gap = { ...segment, kind: 'gap', problem } as const
      this.#onSegment(gap)
      this.index.replace(segment, gap)
    }
  }

  async #problemAt(logPosition: LogPosition): Promise<BatchProblem> {
    const { problemAt } = lossErrors.value ?? (await lossErrors.load())
    return problemAt(this.#disk, logPosition, this.#epochs)
  }

  #positionOf(cursor: Cursor): Position {
    return this.known.positionOf(cursor.logPosition.lsn, itemsBefore(cursor))
  }

  #contradiction(position: Position): RingError {
    return contradiction(this.#disk.device.name, position)
  }
}

/** True if a search stopped at apparent damage. */
export function isSuspect(found: unknown): found is Suspect {
  return typeof found === 'object' && found !== null && 'kind' in found && found.kind === 'suspect'
}
