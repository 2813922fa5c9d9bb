import type { PooledBuffer } from '../../../block/buffer-pool.ts'
import type { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { Lazy } from '../../../util/lazy.ts'
import { DEFAULT_MAX_ITEM_BYTES } from '../../shared/item-limits.ts'
import type { BatchHeader } from '../disk/batch.ts'
import { type Cursor, cursorAfter, cursorAt, itemsBefore } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { currentEpoch, type Epochs, firstUnseen } from '../disk/epochs.ts'
import { addBytes, isSameLogPosition, type LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'
import { fromPosition, positionsFrom, toPosition } from '../position.ts'
import { BatchIndex, type BatchSegment, type DamagedSegment, type Segment } from './batch-index.ts'
import type { BatchProblem } from './diagnose.ts'
import { KnownEpochs } from './known-epochs.ts'
import { type Landmarks, landmarkAt, landmarksOf, nextLandmark } from './landmarks.ts'
import { contradiction } from './log-errors.ts'
import { type Batch, LogReader } from './log-reader.ts'
import type { Found, Loss, Missed, Next, Nothing, Rest, Sound, TooLarge } from './next.ts'

const losses = new Lazy(() => import('./losses.ts'))
type Losses = typeof import('./losses.ts')

/** A log position where the log contradicts what the producer's slots said when they were last read. */
interface Suspect {
  readonly kind: 'suspect'
  readonly lsn: number
}

/**
 * The log as a consumer reads it, from its cursor to the end of what it has seen. `verify` reads through the same code, so both
 * report the same.
 *
 *              truncated to   cursor             frontier        committed (slot)      tail
 *                   |            |                   |                  |                |
 *     ...given up---|-freed------|=== segments ======|-- not read yet --|--------------->|  LSN
 *                                                    |-- window --|- coming -|
 *
 * Left of the cursor, blocks can be reused. The segments (`BatchIndex`) are what was read: batches, and gaps where there should be
 * one. Behind the frontier, `ReadAhead` has a window and what it prefetches. The tail, the last batch that counts, is known only
 * once reading gets there: a slot's `committed` is a checkpoint, which the tail is ahead of.
 *
 * Invariants:
 * - The frontier is where the next batch begins; segments reach up to it without a hole.
 * - Only items before `committedTo` are delivered. It grows with each batch, and goes back only where an epoch begins, which drops
 *   the uncommitted items before it.
 * - Where the producer's slots know that a batch begins (a landmark), no batch crosses it: that would be damage, or a contradiction.
 * - An incomplete batch ends the log, unless a slot says that more is committed. Then the slots are refreshed once, because the
 *   batch may have been overwritten meanwhile; if they still say so, it is damage.
 */
export class ConsumerLog {
  readonly #disk: Disk
  readonly #maxItemBytes: number
  readonly #reader: LogReader
  readonly #index: BatchIndex
  readonly #onSegment: (segment: DamagedSegment) => void
  #producer: ProducerSlot
  #landmarks: Landmarks
  readonly #known: KnownEpochs
  /** Where the next batch to be read begins. */
  #frontier: LogPosition
  /** All items before this one are committed, as far as was read. */
  #committedTo: number
  /** The epoch of the batch that was read last. */
  #lastEpoch = 0
  readonly #refresh: () => Promise<void>

  /**
   * @param refresh reads the producer's slots and calls `learn`. Called once before something counts as damage: it may have been
   *   overwritten, or belong to an epoch that is not known yet.
   * @param maxItemBytes larger items are not read into memory
   * @param onSegment called with each batch that was read, and with each gap
   */
  constructor(
    disk: Disk,
    before: Cursor,
    producer: ProducerSlot,
    refresh: () => Promise<void>,
    maxItemBytes: number = DEFAULT_MAX_ITEM_BYTES,
    onSegment: (segment: DamagedSegment) => void = () => {},
  ) {
    this.#disk = disk
    this.#maxItemBytes = maxItemBytes
    this.#reader = new LogReader(disk, { maxItemBytes })
    this.#index = new BatchIndex(disk.layout.blockSize)
    this.#refresh = refresh
    this.#onSegment = onSegment
    this.#producer = producer
    this.#landmarks = landmarksOf(producer)
    this.#known = new KnownEpochs(producer.epochs)
    this.#frontier = before.logPosition
    this.#committedTo = itemsBefore(before)
  }

  /** The newest epoch. */
  get epoch(): number {
    return currentEpoch(this.#epochs).epoch
  }

  get #epochs(): Epochs {
    return this.#producer.epochs
  }

  /** Items up to the end of what was read, or popped earlier. */
  get readTo(): number {
    return Math.max(this.#frontier.seq, this.#committedTo)
  }

  /** As `KnownEpochs.seqOf`. */
  seqOf(position: bigint): number {
    return this.#known.seqOf(position)
  }

  /** As `KnownEpochs.positionOf`. */
  positionOf(cursor: Cursor): Position {
    return this.#known.positionOf(cursor.logPosition.lsn, itemsBefore(cursor))
  }

  /** Whether a position's epoch is newer than all that are known: this ring cannot have handed it out. */
  isUnknownEpoch(position: bigint): boolean {
    return fromPosition(position).epoch > this.epoch
  }

  /**
   * Takes in a producer slot. Where an epoch that is new to us began before the frontier, what we read there is no longer in the
   * log: the frontier goes back.
   * @returns the cursor, which may have gone back
   * @throws {RingError} `RING_CORRUPT`
   */
  learn(producer: ProducerSlot, seen: number, before: Cursor): Cursor {
    this.#producer = producer
    this.#landmarks = landmarksOf(producer)
    this.#reader.setWrittenTo(producer.committed.lsn)
    // What was prefetched may belong to an epoch that has ended.
    if (this.#known.learn(producer.epochs)) this.#reader.forget()
    const cursor = this.#goBack(producer, seen, before)
    for (const start of [cursor.logPosition, producer.truncatedTo]) {
      if (this.#frontier.lsn < start.lsn) this.#startAt(start)
    }
    this.#index.forgetBefore(producer.truncatedTo.lsn)
    this.#check(cursor)
    return cursor
  }

  #startAt(logPosition: LogPosition): void {
    this.#reader.forget()
    this.#frontier = logPosition
    this.#committedTo = logPosition.seq
  }

  /** Checks that epochs, truncation and checkpoint agree on the number of items before the cursor. */
  #check(cursor: Cursor): void {
    const { logPosition } = cursor
    const { truncatedTo, committed } = this.#producer
    const seq = itemsBefore(cursor)
    const position = this.#known.positionOf(logPosition.lsn, seq)
    const isTruncated = logPosition.lsn < truncatedTo.lsn && seq > truncatedTo.seq
    const isBeforeEnd = logPosition.lsn > committed.lsn && seq < committed.seq
    if (isTruncated || isBeforeEnd || this.seqOf(position) !== seq)
      throw this.#contradiction(position)
  }

  #goBack(producer: ProducerSlot, seen: number, before: Cursor): Cursor {
    const start = firstUnseen(producer.epochs, seen)?.start
    if (start !== undefined && this.#frontier.lsn >= start.lsn) {
      this.#index.truncate(start)
      this.#startAt(start)
    }
    const cursor = cursorAfter(before, seen, producer.epochs)
    if (itemsBefore(cursor) > itemsBefore(before)) {
      throw this.#contradiction(this.positionOf(before))
    }
    return cursor
  }

  /** As `LogReader.begin`. */
  begin(signal?: AbortSignal): void {
    this.#reader.begin(signal)
  }

  /** As `LogReader.end`. */
  end(): void {
    this.#reader.end()
  }

  /**
   * The item, loss or gap at a position.
   * @throws {RingError} `RING_CORRUPT`
   */
  async next(position: Position): Promise<Next> {
    this.#forgetLent(position)
    return await this.#at<Found | TooLarge>(position, ({ batch, start: logPosition }, seq) => {
      const { epoch, time } = batch.header
      const index = seq - logPosition.seq
      const item = batch.items.at(index)
      if (item === undefined) {
        const after = this.#known.positionAfter(position, logPosition.lsn, batch.end.seq)
        return this.#tooLarge(batch, after)
      }
      const lend = (): PooledBuffer | undefined => batch.items.lend(index, index + 1)
      return { status: 'item', item, position: toPosition(epoch, seq + 1), time, lend }
    })
  }

  async #tooLarge(batch: Batch, after: Position): Promise<TooLarge> {
    const { tooLargeAt } = losses.value ?? (await losses.load())
    return tooLargeAt(this.#disk, batch, after, this.#maxItemBytes)
  }

  /** Bytes of memory that views of items keep from being used again. */
  get pinnedBytes(): number {
    return this.#reader.pinnedBytes
  }

  /** An item that was lent as a view may have been changed since it was verified: its batch is read again. */
  #forgetLent(position: Position): void {
    const seq = this.seqOf(position)
    const segment = this.#index.find(seq)
    if (segment?.kind !== 'batch' || !segment.batch.items.isLent(seq - segment.start.seq)) return
    this.#index.forget(segment)
  }

  /** Whether `next`, which found nothing at a position, would find nothing there now, by the next block: false if that is unknown. */
  async isStill(position: Position): Promise<boolean> {
    return this.seqOf(position) === this.readTo && this.#reader.isStillVacant(this.#frontier.lsn)
  }

  /**
   * As `next`, but only counts the sound committed items from there to the end of their batch.
   * @throws {RingError} `RING_CORRUPT`
   */
  async measure(position: Position): Promise<Sound | Missed | Loss | Nothing> {
    return await this.#at<Sound>(
      position,
      ({ batch, start: logPosition, end: next, limit }, seq) => {
        const { items: all, header } = batch
        const begin = seq - logPosition.seq
        const most = Math.min(all.length, Math.min(this.#committedTo, limit) - logPosition.seq)
        let end = begin
        while (end < most && all.isSound(end)) end++
        const [items, bytes] = [end - begin, all.bytesBefore(end) - all.bytesBefore(begin)]
        const after = toPosition(header.epoch, seq + items)
        return { status: 'sound', items, bytes, start: logPosition, end: next, position: after }
      },
    )
  }

  async #at<T extends { readonly status: string; readonly position: Position }>(
    position: Position,
    soundAt: (segment: BatchSegment, seq: number) => T | Promise<T>,
  ): Promise<T | Missed | Loss | Nothing> {
    const found = await this.#find(position, soundAt)
    // If the slots and the log contradict each other, this could loop without end.
    if ('position' in found && found.position <= position) throw this.#contradiction(position)
    return found
  }

  #find<T extends { readonly status: string }>(
    position: Position,
    soundAt: (segment: BatchSegment, seq: number) => T | Promise<T>,
  ): Promise<T | Missed | Loss | Nothing> {
    return this.#settled<T | Missed | Loss | Nothing>(async (recheckedAt) => {
      const seq = this.seqOf(position)
      const { truncatedTo } = this.#producer
      if (seq < truncatedTo.seq) {
        const after = this.#known.positionAfter(position, truncatedTo.lsn, truncatedTo.seq)
        return { status: 'missed', items: truncatedTo.seq - seq, position: after }
      }
      while (seq >= this.#committedTo) {
        const stop = await this.#extend(recheckedAt)
        if (stop !== undefined) return stop
      }
      const segment = await this.#segmentAt(seq, recheckedAt)
      if (segment === undefined) throw this.#contradiction(position)
      if (segment.kind === 'suspect') return segment
      const isSound =
        segment.kind === 'batch' && segment.batch.items.isSound(seq - segment.start.seq)
      if (isSound) return soundAt(segment, seq)
      return this.#loss(losses.value ?? (await losses.load()), segment, seq, position)
    })
  }

  /**
   * The items right after one that `next` returned, as far as they are sound and in the same batch, and were not lent before. They
   * share a buffer; nothing is read.
   * @param maxBytes stops at the item that reaches this
   * @param lend whether they are lent, and not copied
   */
  rest(position: Position, maxItems: number, maxBytes: number, lend: boolean): readonly Rest[] {
    const first = this.seqOf(position)
    const segment = this.#index.find(first)
    // A clamped position contradicts the log; `next` reports it.
    const isClamped = first !== fromPosition(position).seq
    if (segment?.kind !== 'batch' || isClamped || first < this.#producer.truncatedTo.seq) return []
    const { items, header } = segment.batch
    const begin = first - segment.start.seq
    // That may be in the next batch already.
    if (items.isLent(begin)) return []
    const committed = Math.min(this.#committedTo, segment.limit) - segment.start.seq
    const end = Math.min(items.length, committed, begin + maxItems)
    const found = items.slice(begin, end, maxBytes, lend)
    const pin = lend ? items.lend(begin, begin + found.length) : undefined
    const positions = positionsFrom(header.epoch, first + 1, found.length)
    return found.map((item, index) => ({
      item,
      position: positions[index] as Position,
      pushedAt: header.time,
      ...(pin !== undefined && { pin }),
    }))
  }

  /**
   * The cursor of a position that was popped; undefined if it was not. If it has been overwritten since, the cursor is right before
   * the truncation, and only its item count is meaningful.
   */
  cursorOf(position: Position): Promise<Cursor | undefined> {
    return this.#settled(async (recheckedAt): Promise<Cursor | undefined | Suspect> => {
      const seq = this.seqOf(position)
      if (seq > this.#committedTo) return undefined
      const { truncatedTo } = this.#producer
      if (seq < truncatedTo.seq) {
        const logPosition = { lsn: truncatedTo.lsn - 1, seq, bytes: truncatedTo.bytes, crc: 0 }
        return cursorAt(logPosition)
      }
      const segment = await this.#segmentAt(seq, recheckedAt)
      if (segment === undefined) {
        if (this.#frontier.seq !== seq) throw this.#contradiction(position)
        return cursorAt(this.#frontier)
      }
      if (segment.kind === 'suspect') return segment
      const index = seq - segment.start.seq
      if (segment.kind === 'gap' || index === 0) return cursorAt(segment.start)
      const bytes = addBytes(segment.start.bytes, segment.batch.items.bytesBefore(index))
      return { logPosition: segment.start, index, bytes }
    })
  }

  /**
   * Runs a search. If it stops at what looks damaged, refreshes the slots and runs it again: it is damage only if they still say
   * that the batch is committed and not given up.
   */
  async #settled<T>(
    find: (recheckedAt: number | undefined) => Promise<T | Suspect>,
  ): Promise<Exclude<T, Suspect>> {
    for (let recheckedAt: number | undefined; ; ) {
      const found = await find(recheckedAt)
      if (!isSuspect(found)) return found as Exclude<T, Suspect>
      await this.#refresh()
      recheckedAt = found.lsn
    }
  }

  /** Drops the segments before a log position. */
  forgetBefore(logPosition: LogPosition): void {
    this.#index.forgetBefore(logPosition.lsn)
  }

  /**
   * Reads one more batch.
   * @param recheckedAt the LSN at which damage is certain, if any
   * @returns why there is none
   */
  async #extend(recheckedAt: number | undefined): Promise<Nothing | Suspect | undefined> {
    let logPosition = this.#frontier
    const said = landmarkAt(this.#landmarks, logPosition)
    const isKnown = said?.lsn === logPosition.lsn
    if (
      said !== undefined &&
      said.seq > this.#committedTo &&
      (isKnown || said.seq <= logPosition.seq)
    ) {
      this.#addMissing(said, losses.value ?? (await losses.load()))
      return undefined
    }
    let batch = await this.#batchAt(logPosition)
    if (batch === undefined && isKnown && !isSameLogPosition(said, logPosition)) {
      // The slots know better where the log continues.
      if (said.seq < this.#committedTo)
        throw this.#contradiction(this.positionOf(cursorAt(logPosition)))
      this.#restart(said)
      logPosition = said
      batch = await this.#batchAt(logPosition)
    }
    if (batch === undefined) {
      const start = await this.#reader.restartAt(logPosition, this.#committedTo, this.#epochs)
      if (start !== undefined) {
        this.#restart(start)
        logPosition = start
        batch = await this.#batchAt(logPosition)
      }
    }
    if (batch?.whole !== true) {
      // The producer said, before this read, that everything before its checkpoint is complete.
      const end = nextLandmark(this.#landmarks, logPosition)
      if (end === undefined) return { status: 'nothing' }
      this.#reader.forget()
      batch = await this.#batchAt(logPosition)
      if (batch?.whole !== true && recheckedAt !== logPosition.lsn)
        return { kind: 'suspect', lsn: logPosition.lsn }
      if (batch === undefined) {
        await this.#addGap(logPosition, end)
        return undefined
      }
    }
    if (batch.flipped !== undefined) {
      const { publishCorrection } = losses.value ?? (await losses.load())
      publishCorrection(this.#disk, batch)
    }
    this.#add(batch)
    return undefined
  }

  /** The batch at a log position, if there is one. It must not cross a landmark. */
  async #batchAt(logPosition: LogPosition): Promise<Batch | undefined> {
    const batch = await this.#reader.batchAt(logPosition, this.#epochs)
    const next = nextLandmark(this.#landmarks, logPosition)
    if (batch === undefined || next === undefined || batch.end.lsn <= next.lsn) return batch
    batch.items.release()
    return undefined
  }

  #add(batch: Batch): void {
    const { header } = batch
    this.#addSegment({ kind: 'batch', start: header.start, end: batch.end, limit: Infinity, batch })
    this.#committedTo = Math.max(this.#committedTo, header.committedTo)
    this.#lastEpoch = header.epoch
    this.#moveTo(batch.end)
  }

  #addSegment(segment: DamagedSegment): void {
    this.#onSegment(segment)
    this.#index.add(segment)
  }

  /** Takes the slot's word for what is committed. Items that no batch contains are damaged. */
  #addMissing(said: LogPosition, { missingItems }: Losses): void {
    const logPosition = this.#frontier
    if (said.seq > logPosition.seq) {
      const problem = missingItems(this.#disk, logPosition, said)
      this.#addSegment({ kind: 'gap', start: logPosition, end: said, limit: Infinity, problem })
      this.#frontier = said
    }
    this.#committedTo = said.seq
  }

  /** Skips blocks without a credible batch, up to the next batch or the next landmark. */
  async #addGap(start: LogPosition, last: LogPosition): Promise<void> {
    let logPosition = start
    const problem = await this.#problemAt(start)
    const found = await this.#reader.nextHeader(logPosition.lsn + 1, last.lsn, this.#epochs)
    const end = found !== undefined && found.start.seq >= logPosition.seq ? found.start : last
    if (this.#committedTo < logPosition.seq && this.#mayHideRestart(logPosition, found)) {
      // Uncommitted items before it may have been dropped: it is not known to be sound.
      logPosition = { ...logPosition, seq: this.#committedTo }
      this.#index.truncate(logPosition)
    }
    this.#addSegment({ kind: 'gap', start: logPosition, end, limit: Infinity, problem })
    const committedTo = found === undefined ? end.seq : Math.min(end.seq, found.committedTo)
    this.#committedTo = Math.max(this.#committedTo, committedTo)
    this.#moveTo(end)
  }

  /** Whether a producer may have attached inside a gap, with an epoch that is merged with the one before. */
  #mayHideRestart(logPosition: LogPosition, found: BatchHeader | undefined): boolean {
    const entry = this.#epochs.findLast(({ start }) => start.lsn <= logPosition.lsn)
    return (entry?.span ?? 0) > 0 && found?.epoch !== this.#lastEpoch
  }

  #moveTo(end: LogPosition): void {
    const epoch = this.#epochs.find(({ start }) => start.lsn === end.lsn)
    this.#frontier = end
    // A batch that counts more items than we have begins after the missing ones.
    if (epoch !== undefined && epoch.start.seq <= end.seq) this.#restart(epoch.start)
  }

  /** An epoch begins at the frontier: uncommitted items before it are dropped. */
  #restart(start: LogPosition): void {
    this.#frontier = start
    this.#index.truncate(start)
    this.#committedTo = start.seq
  }

  /** The segment that contains an item; released batches are read again. */
  async #segmentAt(
    seq: number,
    recheckedAt: number | undefined,
  ): Promise<Exclude<Segment, { readonly kind: 'span' }> | Suspect | undefined> {
    for (;;) {
      const segment = this.#index.find(seq)
      if (segment?.kind !== 'span') return segment
      const batch = await this.#reader.batchAt(segment.start, this.#epochs)
      const isRechecked = recheckedAt === segment.start.lsn
      if (batch !== undefined && (batch.whole || isRechecked)) {
        this.#index.expand(segment, batch)
        continue
      }
      batch?.items.release()
      this.#reader.forget()
      if (!isRechecked) return { kind: 'suspect', lsn: segment.start.lsn }
      const problem = await this.#problemAt(segment.start)
      const gap = { ...segment, kind: 'gap', problem } as const
      this.#onSegment(gap)
      this.#index.replace(segment, gap)
    }
  }

  async #problemAt(logPosition: LogPosition): Promise<BatchProblem> {
    const { problemAt } = losses.value ?? (await losses.load())
    return problemAt(this.#disk, logPosition, this.#epochs)
  }

  /** A run of damaged items, reported at once. */
  #loss({ lossAt }: Losses, segment: DamagedSegment, seq: number, from: Position): Loss {
    const committed = Math.min(segment.end.seq, segment.limit, this.#committedTo)
    const positionAt = (end: number) => this.#known.positionAfter(from, segment.start.lsn, end)
    return lossAt(this.#disk, segment, seq, committed, positionAt)
  }

  #contradiction(position: Position): RingError {
    return contradiction(this.#disk.device.name, position)
  }
}

function isSuspect(found: unknown): found is Suspect {
  return typeof found === 'object' && found !== null && 'kind' in found && found.kind === 'suspect'
}
