import type { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { DEFAULT_MAX_ITEM_BYTES } from '../../item-limits.ts'
import type { BatchHeader } from '../disk/batch.ts'
import { bad } from '../disk/block.ts'
import { type Place, placeAfter, placeAt } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { currentEpoch, type Epochs, firstUnseen } from '../disk/epochs.ts'
import { addBytes, isSameMark, type Mark } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'
import { fromPosition, positionsFrom, toPosition } from '../position.ts'
import { type BatchStep, type DamagedStep, type Step, Steps } from './batch-index.ts'
import { publishCorrection } from './correction.ts'
import { type BatchProblem, diagnoseHeader } from './diagnose.ts'
import { KnownEpochs } from './known-epochs.ts'
import { type Landmarks, landmarkAt, landmarksOf, nextLandmark } from './landmarks.ts'
import { type Batch, Walker } from './log-reader.ts'
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
  readonly #walker: Walker
  readonly #steps: Steps
  readonly #onStep: (step: DamagedStep) => void
  #producer: ProducerSlot
  #landmarks: Landmarks
  readonly #known: KnownEpochs
  /** Where the next batch to be read begins. */
  #frontier: Mark
  /** All items before this one are committed, as far as was read. */
  #committedTo: number
  /** The epoch of the batch that was read last. */
  #lastEpoch = 0
  readonly #look: () => Promise<void>

  /**
   * @param look reads what the producer says, and has it learned. Where something is damaged, that is done once more: it
   *   may have been overwritten, or be of an epoch that is not known yet.
   * @param maxItemBytes larger items are not read into memory
   * @param onStep told of each batch that was read, and of each gap
   */
  constructor(
    disk: Disk,
    cursor: Place,
    producer: ProducerSlot,
    look: () => Promise<void>,
    maxItemBytes: number = DEFAULT_MAX_ITEM_BYTES,
    onStep: (step: DamagedStep) => void = () => {},
  ) {
    this.#disk = disk
    this.#maxItemBytes = maxItemBytes
    this.#walker = new Walker(disk, { maxItemBytes })
    this.#steps = new Steps(disk.layout.blockSize)
    this.#look = look
    this.#onStep = onStep
    this.#producer = producer
    this.#landmarks = landmarksOf(producer)
    this.#known = new KnownEpochs(producer.epochs)
    this.#frontier = cursor.mark
    this.#committedTo = cursor.mark.seq + cursor.index
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
  positionOf(place: Place): Position {
    return this.#known.positionOf(place.mark.lsn, place.mark.seq + place.index)
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
  learn(producer: ProducerSlot, seen: number, cursor: Place): Place {
    this.#producer = producer
    this.#landmarks = landmarksOf(producer)
    this.#walker.isWritten(producer.committed.lsn)
    // What was read ahead may be of an epoch that ended meanwhile.
    if (this.#known.learn(producer.epochs)) this.#walker.forget()
    const place = this.#goBack(producer, seen, cursor)
    for (const start of [place.mark, producer.head]) {
      if (this.#frontier.lsn < start.lsn) this.#startAt(start)
    }
    this.#steps.forgetBefore(producer.head.lsn)
    this.#check(place)
    return place
  }

  #startAt(mark: Mark): void {
    this.#walker.forget()
    this.#frontier = mark
    this.#committedTo = mark.seq
  }

  /** A place counts as many items as the epochs, the head and what is committed do. */
  #check({ mark, index }: Place): void {
    const { head, committed } = this.#producer
    const seq = mark.seq + index
    const position = this.#known.positionOf(mark.lsn, seq)
    const isBehindHead = mark.lsn < head.lsn && seq > head.seq
    const isBeforeEnd = mark.lsn > committed.lsn && seq < committed.seq
    if (isBehindHead || isBeforeEnd || this.seqOf(position) !== seq)
      throw this.#contradiction(position)
  }

  #goBack(producer: ProducerSlot, seen: number, cursor: Place): Place {
    const start = firstUnseen(producer.epochs, seen)?.start
    if (start !== undefined && this.#frontier.lsn >= start.lsn) {
      this.#steps.truncate(start)
      this.#startAt(start)
    }
    const place = placeAfter(cursor, seen, producer.epochs)
    if (place.mark.seq + place.index > cursor.mark.seq + cursor.index) {
      throw this.#contradiction(this.positionOf(cursor))
    }
    return place
  }

  /** As `Walker.begin`. */
  begin(signal?: AbortSignal): void {
    this.#walker.begin(signal)
  }

  /** As `Walker.end`. */
  end(): void {
    this.#walker.end()
  }

  /**
   * What stands at a position.
   * @throws {RingError} `RING_CORRUPT`
   */
  async next(position: Position): Promise<Next> {
    return await this.#at<Found | TooLarge>(position, ({ batch, mark }, seq) => {
      const { epoch, time } = batch.header
      const item = batch.items.at(seq - mark.seq)
      if (item === undefined) {
        const behind = this.#known.behind(position, mark.lsn, batch.end.seq)
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
    return await this.#at<Sound>(position, ({ batch, mark, end: next, limit }, seq) => {
      const { items: all, header } = batch
      const begin = seq - mark.seq
      const most = Math.min(all.length, Math.min(this.#committedTo, limit) - mark.seq)
      let end = begin
      while (end < most && all.isSound(end)) end++
      const [items, bytes] = [end - begin, all.bytesBefore(end) - all.bytesBefore(begin)]
      const behind = toPosition(header.epoch, seq + items)
      return { status: 'sound', items, bytes, mark, end: next, position: behind }
    })
  }

  async #at<T extends { readonly status: string; readonly position: Position }>(
    position: Position,
    soundAt: (step: BatchStep, seq: number) => T,
  ): Promise<T | Missed | Loss | Nothing> {
    const found = await this.#find(position, soundAt)
    // Where the slots and the log contradict each other, it could go on for ever.
    if ('position' in found && found.position <= position) throw this.#contradiction(position)
    return found
  }

  #find<T extends { readonly status: string }>(
    position: Position,
    soundAt: (step: BatchStep, seq: number) => T,
  ): Promise<T | Missed | Loss | Nothing> {
    return this.#settled<T | Missed | Loss | Nothing>(async (sure) => {
      const seq = this.seqOf(position)
      const { head } = this.#producer
      if (seq < head.seq) {
        const behind = this.#known.behind(position, head.lsn, head.seq)
        return { status: 'missed', items: head.seq - seq, position: behind }
      }
      while (seq >= this.#committedTo) {
        const stop = await this.#extend(sure)
        if (stop !== undefined) return stop
      }
      const step = await this.#stepAt(seq, sure)
      if (step === undefined) throw this.#contradiction(position)
      if (step.kind === 'suspect') return step
      const isSound = step.kind === 'batch' && step.batch.items.isSound(seq - step.mark.seq)
      return isSound ? soundAt(step, seq) : this.#loss(step, seq, position)
    })
  }

  /**
   * The items right behind one that `next` answered, as far as they are in the same batch and sound, as copies that share
   * their memory: nothing is read.
   * @param maxBytes it ends with the item that reaches this
   */
  rest(position: Position, maxItems: number, maxBytes: number): readonly Rest[] {
    const first = this.seqOf(position)
    const step = this.#steps.find(first)
    // A position that is clamped contradicts the log: `next` says so.
    const isClamped = first !== fromPosition(position).seq
    if (step?.kind !== 'batch' || isClamped || first < this.#producer.head.seq) return []
    const { items, header } = step.batch
    const begin = first - step.mark.seq
    const committed = Math.min(this.#committedTo, step.limit) - step.mark.seq
    const end = Math.min(items.length, committed, begin + maxItems)
    const copies = items.copy(begin, end, maxBytes)
    const positions = positionsFrom(header.epoch, first + 1, copies.length)
    return copies.map((item, index) => ({ item, position: positions[index] as Position }))
  }

  /**
   * The place of a position that was popped; undefined if it was not. If what was popped is overwritten by now, it is a
   * place right before the head, of which only the count of items means something.
   */
  placeOf(position: Position): Promise<Place | undefined> {
    return this.#settled(async (sure): Promise<Place | undefined | Suspect> => {
      const seq = this.seqOf(position)
      if (seq > this.#committedTo) return undefined
      const { head } = this.#producer
      if (seq < head.seq) {
        const mark = { lsn: head.lsn - 1, seq, bytes: head.bytes, crc: 0 }
        return { mark, index: 0, bytes: head.bytes }
      }
      const step = await this.#stepAt(seq, sure)
      if (step === undefined) {
        if (this.#frontier.seq !== seq) throw this.#contradiction(position)
        return { mark: this.#frontier, index: 0, bytes: this.#frontier.bytes }
      }
      if (step.kind === 'suspect') return step
      const index = seq - step.mark.seq
      if (step.kind === 'gap' || index === 0) return placeAt(step.mark)
      const bytes = addBytes(step.mark.bytes, step.batch.items.bytesBefore(index))
      return { mark: step.mark, index, bytes }
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
      await this.#look()
      sure = found.lsn
    }
  }

  /** Nothing before a place is asked for any more. */
  forgetBefore(mark: Mark): void {
    this.#steps.forgetBefore(mark.lsn)
  }

  /**
   * Reads one more batch.
   * @param sure where damage is for sure, if anywhere
   * @returns why there is none
   */
  async #extend(sure: number | undefined): Promise<Nothing | Suspect | undefined> {
    let mark = this.#frontier
    const said = landmarkAt(this.#landmarks, mark)
    const isKnown = said?.lsn === mark.lsn
    if (said !== undefined && said.seq > this.#committedTo && (isKnown || said.seq <= mark.seq)) {
      this.#addMissing(said)
      return undefined
    }
    let batch = await this.#batchAt(mark)
    if (batch === undefined && isKnown && !isSameMark(said, mark)) {
      // The slots know better where the log goes on.
      if (said.seq < this.#committedTo) throw this.#contradiction(this.positionOf(placeAt(mark)))
      this.#restart(said)
      mark = said
      batch = await this.#batchAt(mark)
    }
    if (batch === undefined) {
      const start = await this.#walker.restartAt(mark, this.#committedTo, this.#epochs)
      if (start !== undefined) {
        this.#restart(start)
        mark = start
        batch = await this.#batchAt(mark)
      }
    }
    if (batch?.whole !== true) {
      // The producer said, before this read, that all before its place is complete.
      const end = nextLandmark(this.#landmarks, mark)
      if (end === undefined) return { status: 'nothing' }
      this.#walker.forget()
      batch = await this.#batchAt(mark)
      if (batch?.whole !== true && sure !== mark.lsn) return { kind: 'suspect', lsn: mark.lsn }
      if (batch === undefined) {
        await this.#addGap(mark, end)
        return undefined
      }
    }
    this.#add(batch)
    return undefined
  }

  /** The batch at a place, if there is one: none goes on over a place where the slots know that another one begins. */
  async #batchAt(mark: Mark): Promise<Batch | undefined> {
    const batch = await this.#walker.batchAt(mark, this.#epochs)
    const next = nextLandmark(this.#landmarks, mark)
    if (batch === undefined || next === undefined || batch.end.lsn <= next.lsn) return batch
    batch.items.release()
    return undefined
  }

  #add(batch: Batch): void {
    const { header } = batch
    publishCorrection(this.#disk, batch)
    this.#addStep({ kind: 'batch', mark: header.start, end: batch.end, limit: Infinity, batch })
    this.#committedTo = Math.max(this.#committedTo, header.committedTo)
    this.#lastEpoch = header.epoch
    this.#moveTo(batch.end)
  }

  #addStep(step: DamagedStep): void {
    this.#onStep(step)
    this.#steps.add(step)
  }

  /** Takes for committed what the slots call so. What of that no batch holds is damaged. */
  #addMissing(said: Mark): void {
    const mark = this.#frontier
    if (said.seq > mark.seq) {
      const problem = missingItems(this.#disk, mark, said)
      this.#addStep({ kind: 'gap', mark, end: said, limit: Infinity, problem })
      this.#frontier = said
    }
    this.#committedTo = said.seq
  }

  /** Steps over blocks without a batch that can be believed: to the next one, or to the next place that the slots know. */
  async #addGap(start: Mark, last: Mark): Promise<void> {
    let mark = start
    const problem = await this.#problemAt(start)
    const found = await this.#walker.nextHeader(mark.lsn + 1, last.lsn, this.#epochs)
    const end = found !== undefined && found.start.seq >= mark.seq ? found.start : last
    if (this.#committedTo < mark.seq && this.#mayHideRestart(mark, found)) {
      // What was held back before may have been dropped: it is not known to be sound.
      mark = { ...mark, seq: this.#committedTo }
      this.#steps.truncate(mark)
    }
    this.#addStep({ kind: 'gap', mark, end, limit: Infinity, problem })
    const committedTo = found === undefined ? end.seq : Math.min(end.seq, found.committedTo)
    this.#committedTo = Math.max(this.#committedTo, committedTo)
    this.#moveTo(end)
  }

  /** Whether a producer may have attached in a gap, whose epoch is merged with the one before. */
  #mayHideRestart(mark: Mark, found: BatchHeader | undefined): boolean {
    const entry = this.#epochs.findLast(({ start }) => start.lsn <= mark.lsn)
    return (entry?.span ?? 0) > 0 && found?.epoch !== this.#lastEpoch
  }

  #moveTo(end: Mark): void {
    const epoch = this.#epochs.find(({ start }) => start.lsn === end.lsn)
    this.#frontier = end
    // One that counts more than is held begins behind what is missing.
    if (epoch !== undefined && epoch.start.seq <= end.seq) this.#restart(epoch.start)
  }

  /** An epoch begins at the frontier: what was held back before is dropped. */
  #restart(start: Mark): void {
    this.#frontier = start
    this.#steps.truncate(start)
    this.#committedTo = start.seq
  }

  /** The step that holds an item; batches that were forgotten are read again. */
  async #stepAt(
    seq: number,
    sure: number | undefined,
  ): Promise<Exclude<Step, { readonly kind: 'span' }> | Suspect | undefined> {
    for (;;) {
      const step = this.#steps.find(seq)
      if (step?.kind !== 'span') return step
      const batch = await this.#walker.batchAt(step.mark, this.#epochs)
      if (batch !== undefined) {
        this.#steps.expand(step, batch)
        continue
      }
      this.#walker.forget()
      if (sure !== step.mark.lsn) return { kind: 'suspect', lsn: step.mark.lsn }
      const problem = await this.#problemAt(step.mark)
      const gap = { ...step, kind: 'gap', problem } as const
      this.#onStep(gap)
      this.#steps.replace(step, gap)
    }
  }

  /** Why no batch could be read at a place. */
  async #problemAt(mark: Mark): Promise<BatchProblem> {
    const found = await diagnoseHeader(this.#disk, mark, this.#epochs)
    if (found !== undefined) return found
    // It can be read after all, and the batches behind it cannot.
    const problem = bad('batch', 'one that continues the log', 'none')
    const offset = this.#disk.offsetOf(mark.lsn)
    return { structure: 'batch header', offset, at: 0, bytes: 0, problem, items: undefined }
  }

  /** A run of damaged items, told at once. */
  #loss(step: DamagedStep, seq: number, from: Position): Loss {
    const committed = Math.min(step.end.seq, step.limit, this.#committedTo)
    const positionAt = (end: number) => this.#known.behind(from, step.mark.lsn, end)
    return lossAt(this.#disk, step, seq, committed, positionAt)
  }

  #contradiction(position: Position): RingError {
    return contradiction(this.#disk.device.name, position)
  }
}

function isSuspect(found: unknown): found is Suspect {
  return typeof found === 'object' && found !== null && 'kind' in found && found.kind === 'suspect'
}
