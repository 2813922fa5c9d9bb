import type { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { DEFAULT_MAX_ITEM_BYTES } from '../../item-limits.ts'
import type { BatchHeader } from '../disk/batch.ts'
import { bad } from '../disk/block.ts'
import { type Cursor, cursorAfter, cursorAt, itemsBefore } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { currentEpoch, type Epochs, firstUnseen } from '../disk/epochs.ts'
import { addBytes, isSameLogPosition, type LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'
import { fromPosition, positionsFrom, toPosition } from '../position.ts'
import { BatchIndex, type BatchSegment, type DamagedSegment, type Segment } from './batch-index.ts'
import { publishCorrection } from './correction.ts'
import { type BatchProblem, diagnoseHeader } from './diagnose.ts'
import { KnownEpochs } from './known-epochs.ts'
import { type Landmarks, landmarkAt, landmarksOf, nextLandmark } from './landmarks.ts'
import { type Batch, LogReader } from './log-reader.ts'
import { missingItems } from './missing.ts'
import type { Found, Loss, Missed, Next, Nothing, Rest, Sound, TooLarge } from './next.ts'
import { contradiction, lossAt, tooLargeAt } from './told.ts'

/** A place where what was read is not what the producer's slots said before. */
interface Suspect {
  readonly kind: 'suspect'
  readonly lsn: number
}

/**
 * The log as a consumer reads it, from its cursor to the end of what it has seen; `verify` reads it by the same code, so that both
 * tell the same.
 *
 * - The frontier is where the next batch begins. What is before it is in the steps: batches, and gaps where none can be believed.
 * - Only items before `committedTo` are delivered. It grows with each batch, and goes back only where an epoch begins, which drops
 *   what was held back before.
 * - Where the producer's slots know that a batch begins, none goes over it: what does not lead there is damage, or a contradiction.
 * - A batch that is not whole is the log's end only if no slot says that more is complete. Else the slots are read once more, since
 *   it may have been overwritten meanwhile, and it is damage only if they still say so.
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
   * @param refresh reads what the producer says, and has it learned. Where something is damaged, that is done once more: it
   *   may have been overwritten, or be of an epoch that is not known yet.
   * @param maxItemBytes larger items are not read into memory
   * @param onStep told of each batch that was read, and of each gap
   */
  constructor(
    disk: Disk,
    before: Cursor,
    producer: ProducerSlot,
    refresh: () => Promise<void>,
    maxItemBytes: number = DEFAULT_MAX_ITEM_BYTES,
    onStep: (segment: DamagedSegment) => void = () => {},
  ) {
    this.#disk = disk
    this.#maxItemBytes = maxItemBytes
    this.#reader = new LogReader(disk, { maxItemBytes })
    this.#index = new BatchIndex(disk.layout.blockSize)
    this.#refresh = refresh
    this.#onSegment = onStep
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

  /** The number of items up to the end of what was read, or popped before. */
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

  /** Whether a position is of an epoch that was not heard of: nobody can have got it from this ring. */
  isUnheard(position: bigint): boolean {
    return fromPosition(position).epoch > this.epoch
  }

  /**
   * Takes in what the producer says. Where an epoch that we did not know of began before a place, what was there is not
   * in the log any more: we go back.
   * @returns the cursor, which may have gone back
   * @throws {RingError} `RING_CORRUPT`
   */
  learn(producer: ProducerSlot, seen: number, before: Cursor): Cursor {
    this.#producer = producer
    this.#landmarks = landmarksOf(producer)
    this.#reader.setWrittenTo(producer.committed.lsn)
    // What was read ahead may be of an epoch that ended meanwhile.
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

  /** A place counts as many items as the epochs, the truncation and what is committed do. */
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
   * What stands at a position.
   * @throws {RingError} `RING_CORRUPT`
   */
  async next(position: Position): Promise<Next> {
    return await this.#at<Found | TooLarge>(position, ({ batch, start: logPosition }, seq) => {
      const { epoch, time } = batch.header
      const item = batch.items.at(seq - logPosition.seq)
      if (item === undefined) {
        const behind = this.#known.behind(position, logPosition.lsn, batch.end.seq)
        return tooLargeAt(this.#disk, batch, behind, this.#maxItemBytes)
      }
      return { status: 'item', item, position: toPosition(epoch, seq + 1), time }
    })
  }

  /**
   * The same, but of all sound items from there on that are committed and in the same batch, it is only counted how many there are.
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
        const behind = toPosition(header.epoch, seq + items)
        return { status: 'sound', items, bytes, start: logPosition, end: next, position: behind }
      },
    )
  }

  async #at<T extends { readonly status: string; readonly position: Position }>(
    position: Position,
    soundAt: (segment: BatchSegment, seq: number) => T,
  ): Promise<T | Missed | Loss | Nothing> {
    const found = await this.#find(position, soundAt)
    // Where the slots and the log contradict each other, it could go on for ever.
    if ('position' in found && found.position <= position) throw this.#contradiction(position)
    return found
  }

  #find<T extends { readonly status: string }>(
    position: Position,
    soundAt: (segment: BatchSegment, seq: number) => T,
  ): Promise<T | Missed | Loss | Nothing> {
    return this.#settled<T | Missed | Loss | Nothing>(async (sure) => {
      const seq = this.seqOf(position)
      const { truncatedTo } = this.#producer
      if (seq < truncatedTo.seq) {
        const behind = this.#known.behind(position, truncatedTo.lsn, truncatedTo.seq)
        return { status: 'missed', items: truncatedTo.seq - seq, position: behind }
      }
      while (seq >= this.#committedTo) {
        const stop = await this.#extend(sure)
        if (stop !== undefined) return stop
      }
      const segment = await this.#stepAt(seq, sure)
      if (segment === undefined) throw this.#contradiction(position)
      if (segment.kind === 'suspect') return segment
      const isSound =
        segment.kind === 'batch' && segment.batch.items.isSound(seq - segment.start.seq)
      return isSound ? soundAt(segment, seq) : this.#loss(segment, seq, position)
    })
  }

  /**
   * The items right behind one that `next` answered, as far as they are in the same batch and sound, as copies that share
   * their memory: nothing is read.
   * @param maxBytes it ends with the item that reaches this
   */
  rest(position: Position, maxItems: number, maxBytes: number): readonly Rest[] {
    const first = this.seqOf(position)
    const segment = this.#index.find(first)
    // A position that is clamped contradicts the log: `next` says so.
    const isClamped = first !== fromPosition(position).seq
    if (segment?.kind !== 'batch' || isClamped || first < this.#producer.truncatedTo.seq) return []
    const { items, header } = segment.batch
    const begin = first - segment.start.seq
    const committed = Math.min(this.#committedTo, segment.limit) - segment.start.seq
    const end = Math.min(items.length, committed, begin + maxItems)
    const copies = items.copy(begin, end, maxBytes)
    const positions = positionsFrom(header.epoch, first + 1, copies.length)
    return copies.map((item, index) => ({
      item,
      position: positions[index] as Position,
      pushedAt: header.time,
    }))
  }

  /**
   * The place of a position that was popped; undefined if it was not. If what was popped is overwritten by now, it is a
   * place right before the truncation, of which only the count of items means something.
   */
  cursorOf(position: Position): Promise<Cursor | undefined> {
    return this.#settled(async (sure): Promise<Cursor | undefined | Suspect> => {
      const seq = this.seqOf(position)
      if (seq > this.#committedTo) return undefined
      const { truncatedTo } = this.#producer
      if (seq < truncatedTo.seq) {
        const logPosition = { lsn: truncatedTo.lsn - 1, seq, bytes: truncatedTo.bytes, crc: 0 }
        return cursorAt(logPosition)
      }
      const segment = await this.#stepAt(seq, sure)
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
   * Has something found out. Where that stops at what seems damaged, the producer's slots are read once more, and it is
   * damage for sure only if they still say that it is complete and not given up.
   */
  async #settled<T>(
    find: (sure: number | undefined) => Promise<T | Suspect>,
  ): Promise<Exclude<T, Suspect>> {
    for (let sure: number | undefined; ; ) {
      const found = await find(sure)
      if (!isSuspect(found)) return found as Exclude<T, Suspect>
      await this.#refresh()
      sure = found.lsn
    }
  }

  /** Nothing before a place is asked for any more. */
  forgetBefore(logPosition: LogPosition): void {
    this.#index.forgetBefore(logPosition.lsn)
  }

  /**
   * Reads one more batch.
   * @param sure where damage is for sure, if anywhere
   * @returns why there is none
   */
  async #extend(sure: number | undefined): Promise<Nothing | Suspect | undefined> {
    let logPosition = this.#frontier
    const said = landmarkAt(this.#landmarks, logPosition)
    const isKnown = said?.lsn === logPosition.lsn
    if (
      said !== undefined &&
      said.seq > this.#committedTo &&
      (isKnown || said.seq <= logPosition.seq)
    ) {
      this.#addMissing(said)
      return undefined
    }
    let batch = await this.#batchAt(logPosition)
    if (batch === undefined && isKnown && !isSameLogPosition(said, logPosition)) {
      // The slots know better where the log goes on.
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
      // The producer said, before this read, that all before its place is complete.
      const end = nextLandmark(this.#landmarks, logPosition)
      if (end === undefined) return { status: 'nothing' }
      this.#reader.forget()
      batch = await this.#batchAt(logPosition)
      if (batch?.whole !== true && sure !== logPosition.lsn)
        return { kind: 'suspect', lsn: logPosition.lsn }
      if (batch === undefined) {
        await this.#addGap(logPosition, end)
        return undefined
      }
    }
    this.#add(batch)
    return undefined
  }

  /** The batch at a place, if there is one: none goes on over a place where the slots know that another one begins. */
  async #batchAt(logPosition: LogPosition): Promise<Batch | undefined> {
    const batch = await this.#reader.batchAt(logPosition, this.#epochs)
    const next = nextLandmark(this.#landmarks, logPosition)
    if (batch === undefined || next === undefined || batch.end.lsn <= next.lsn) return batch
    batch.items.release()
    return undefined
  }

  #add(batch: Batch): void {
    const { header } = batch
    publishCorrection(this.#disk, batch)
    this.#addSegment({ kind: 'batch', start: header.start, end: batch.end, limit: Infinity, batch })
    this.#committedTo = Math.max(this.#committedTo, header.committedTo)
    this.#lastEpoch = header.epoch
    this.#moveTo(batch.end)
  }

  #addSegment(segment: DamagedSegment): void {
    this.#onSegment(segment)
    this.#index.add(segment)
  }

  /** Takes for committed what the slots call so. What of that no batch holds is damaged. */
  #addMissing(said: LogPosition): void {
    const logPosition = this.#frontier
    if (said.seq > logPosition.seq) {
      const problem = missingItems(this.#disk, logPosition, said)
      this.#addSegment({ kind: 'gap', start: logPosition, end: said, limit: Infinity, problem })
      this.#frontier = said
    }
    this.#committedTo = said.seq
  }

  /** Passes blocks without a batch that can be believed: to the next one, or to the next place that the slots know. */
  async #addGap(start: LogPosition, last: LogPosition): Promise<void> {
    let logPosition = start
    const problem = await this.#problemAt(start)
    const found = await this.#reader.nextHeader(logPosition.lsn + 1, last.lsn, this.#epochs)
    const end = found !== undefined && found.start.seq >= logPosition.seq ? found.start : last
    if (this.#committedTo < logPosition.seq && this.#mayHideRestart(logPosition, found)) {
      // What was held back before may have been dropped: it is not known to be sound.
      logPosition = { ...logPosition, seq: this.#committedTo }
      this.#index.truncate(logPosition)
    }
    this.#addSegment({ kind: 'gap', start: logPosition, end, limit: Infinity, problem })
    const committedTo = found === undefined ? end.seq : Math.min(end.seq, found.committedTo)
    this.#committedTo = Math.max(this.#committedTo, committedTo)
    this.#moveTo(end)
  }

  /** Whether a producer may have attached in a gap, whose epoch is merged with the one before. */
  #mayHideRestart(logPosition: LogPosition, found: BatchHeader | undefined): boolean {
    const entry = this.#epochs.findLast(({ start }) => start.lsn <= logPosition.lsn)
    return (entry?.span ?? 0) > 0 && found?.epoch !== this.#lastEpoch
  }

  #moveTo(end: LogPosition): void {
    const epoch = this.#epochs.find(({ start }) => start.lsn === end.lsn)
    this.#frontier = end
    // One that counts more than is held begins behind what is missing.
    if (epoch !== undefined && epoch.start.seq <= end.seq) this.#restart(epoch.start)
  }

  /** An epoch begins at the frontier: what was held back before is dropped. */
  #restart(start: LogPosition): void {
    this.#frontier = start
    this.#index.truncate(start)
    this.#committedTo = start.seq
  }

  /** The step that holds an item; batches that were forgotten are read again. */
  async #stepAt(
    seq: number,
    sure: number | undefined,
  ): Promise<Exclude<Segment, { readonly kind: 'span' }> | Suspect | undefined> {
    for (;;) {
      const segment = this.#index.find(seq)
      if (segment?.kind !== 'span') return segment
      const batch = await this.#reader.batchAt(segment.start, this.#epochs)
      if (batch !== undefined) {
        this.#index.expand(segment, batch)
        continue
      }
      this.#reader.forget()
      if (sure !== segment.start.lsn) return { kind: 'suspect', lsn: segment.start.lsn }
      const problem = await this.#problemAt(segment.start)
      const gap = { ...segment, kind: 'gap', problem } as const
      this.#onSegment(gap)
      this.#index.replace(segment, gap)
    }
  }

  /** Why no batch could be read at a place. */
  async #problemAt(logPosition: LogPosition): Promise<BatchProblem> {
    const found = await diagnoseHeader(this.#disk, logPosition, this.#epochs)
    if (found !== undefined) return found
    // It can be read after all, and the batches behind it cannot.
    const problem = bad('batch', 'one that continues the log', 'none')
    const offset = this.#disk.offsetOf(logPosition.lsn)
    return { structure: 'batch header', offset, at: 0, bytes: 0, problem, items: undefined }
  }

  /** A run of damaged items, told at once. */
  #loss(segment: DamagedSegment, seq: number, from: Position): Loss {
    const committed = Math.min(segment.end.seq, segment.limit, this.#committedTo)
    const positionAt = (end: number) => this.#known.behind(from, segment.start.lsn, end)
    return lossAt(this.#disk, segment, seq, committed, positionAt)
  }

  #contradiction(position: Position): RingError {
    return contradiction(this.#disk.device.name, position)
  }
}

function isSuspect(found: unknown): found is Suspect {
  return typeof found === 'object' && found !== null && 'kind' in found && found.kind === 'suspect'
}
