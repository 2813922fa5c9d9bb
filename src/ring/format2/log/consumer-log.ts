import type { PooledBuffer } from '../../../block/buffer-pool.ts'
import type { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { DEFAULT_MAX_ITEM_BYTES } from '../../shared/item-limits.ts'
import { type Cursor, cursorAt, itemsBefore } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { addBytes, type LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'
import { fromPosition, positionsFrom, toPosition } from '../position.ts'
import type { BatchSegment, DamagedSegment } from './batch-index.ts'
import type { Found, FoundItem, Loss, Missed, Nothing, Rest, Sound, TooLarge } from './found.ts'
import { contradiction } from './log-errors.ts'
import { isSuspect, LogFront, type LossErrors, lossErrors, type Suspect } from './log-front.ts'
import type { ReadBatch } from './log-reader.ts'

/**
 * The log as a consumer reads it, from its cursor to the frontier. `verify` reads through the same code, so that both
 * report the same.
 *
 * `LogFront` reads forward, one batch after the other, and keeps what it found as segments. This class looks them up by
 * position: the item, loss or gap there, and the cursor to write. A search that needs more makes the front read on. At
 * apparent damage the slots are refreshed and the search restarts, because the batch may have been overwritten.
 */
export class ConsumerLog {
  readonly #disk: Disk
  readonly #maxItemBytes: number
  readonly #front: LogFront
  readonly #refresh: () => Promise<void>

  /**
   * @param refresh reads the producer's slots and calls `learn`. Called once before anything counts as damage, which
   *   may have been overwritten, or belong to an epoch that is not known yet.
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
    this.#refresh = refresh
    this.#front = new LogFront(disk, before, producer, maxItemBytes, onSegment)
  }

  /** The newest epoch. */
  get epoch(): number {
    return this.#front.epoch
  }

  /** The number of items up to the end of what was read or popped. */
  get readTo(): number {
    return Math.max(this.#front.frontier.seq, this.#front.committedTo)
  }

  /** As `LogFront.jumps`. */
  get jumps(): number {
    return this.#front.jumps
  }

  /**
   * Drops what was prefetched.
   * @returns the log position of the next batch to read
   */
  forgetAhead(): LogPosition {
    this.#front.reader.forget()
    return this.#front.frontier
  }

  /** As `KnownEpochs.seqOf`. */
  seqOf(position: bigint): number {
    return this.#front.known.seqOf(position)
  }

  /** As `KnownEpochs.positionOf`. */
  positionOf(cursor: Cursor): Position {
    return this.#front.known.positionOf(cursor.logPosition.lsn, itemsBefore(cursor))
  }

  /** True if a position's epoch is newer than all known ones, so that this ring cannot have issued it. */
  isUnknownEpoch(position: bigint): boolean {
    return fromPosition(position).epoch > this.epoch
  }

  /** As `LogFront.apply`. */
  apply(producer: ProducerSlot, seen: number, before: Cursor): Cursor {
    return this.#front.apply(producer, seen, before)
  }

  /** As `LogReader.begin`. */
  begin(signal?: AbortSignal): void {
    this.#front.reader.begin(signal)
  }

  /** As `LogReader.end`. */
  end(): void {
    this.#front.reader.end()
  }

  /**
   * The item, loss or gap at a position.
   * @throws {RingError} `RING_CORRUPT`
   */
  async next(position: Position): Promise<Found> {
    this.#forgetViewed(position)
    return await this.#at<FoundItem | TooLarge>(position, ({ batch, start: logPosition }, seq) => {
      const { epoch, time: pushedAt } = batch.header
      const index = seq - logPosition.seq
      const item = batch.items.at(index)
      if (item === undefined) {
        const after = this.#front.known.positionAfter(position, logPosition.lsn, batch.end.seq)
        return this.#tooLarge(batch, after)
      }
      const pin = (): PooledBuffer | undefined => batch.items.pin(index, index + 1)
      return { status: 'item', item, position: toPosition(epoch, seq + 1), pushedAt, pin }
    })
  }

  async #tooLarge(batch: ReadBatch, after: Position): Promise<TooLarge> {
    const { tooLargeAt } = lossErrors.value ?? (await lossErrors.load())
    return tooLargeAt(this.#disk, batch, after, this.#maxItemBytes)
  }

  /** Bytes of memory that views of items pin. */
  get pinnedBytes(): number {
    return this.#front.reader.pinnedBytes
  }

  /** A program may have changed an item that it got as a view, so its batch is read again. */
  #forgetViewed(position: Position): void {
    const seq = this.seqOf(position)
    const segment = this.#front.index.find(seq)
    if (segment?.kind !== 'batch' || !segment.batch.items.isViewed(seq - segment.start.seq)) return
    this.#front.index.forget(segment)
  }

  /**
   * True if `next`, which found nothing at a position, would still find nothing, judged by the next block. False if
   * unknown.
   */
  async isStillEnd(position: Position, isLikely: boolean): Promise<boolean> {
    const { reader, frontier } = this.#front
    return this.#isLast(position) && reader.isStillVacant(frontier.lsn, isLikely)
  }

  /** As `isStillEnd`, synchronously; false also if the device cannot be read that way. */
  isStillEndNow(position: Position): boolean {
    return this.#isLast(position) && this.#front.reader.isStillVacantNow(this.#front.frontier.lsn)
  }

  #isLast(position: Position): boolean {
    return this.seqOf(position) === this.readTo
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
        const most = Math.min(
          all.length,
          Math.min(this.#front.committedTo, limit) - logPosition.seq,
        )
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
    // If slots and log contradict each other, this could loop without end.
    if ('position' in found && found.position <= position) throw this.#contradiction(position)
    return found
  }

  #find<T extends { readonly status: string }>(
    position: Position,
    soundAt: (segment: BatchSegment, seq: number) => T | Promise<T>,
  ): Promise<T | Missed | Loss | Nothing> {
    return this.#recheck<T | Missed | Loss | Nothing>(async (recheckedAt) => {
      const seq = this.seqOf(position)
      const { truncatedTo } = this.#front
      if (seq < truncatedTo.seq) {
        const after = this.#front.known.positionAfter(position, truncatedTo.lsn, truncatedTo.seq)
        return { status: 'missed', items: truncatedTo.seq - seq, position: after }
      }
      while (seq >= this.#front.committedTo) {
        const stop = await this.#front.extend(recheckedAt)
        if (stop !== undefined) return stop
      }
      const segment = await this.#front.segmentAt(seq, recheckedAt)
      if (segment === undefined) throw this.#contradiction(position)
      if (segment.kind === 'suspect') return segment
      const isSound =
        segment.kind === 'batch' && segment.batch.items.isSound(seq - segment.start.seq)
      if (isSound) return soundAt(segment, seq)
      return this.#loss(lossErrors.value ?? (await lossErrors.load()), segment, seq, position)
    })
  }

  /**
   * The items right after one that `next` returned, while they are sound, in the same batch, and were not handed out as
   * views before. They share a buffer, and nothing is read.
   * @param maxBytes stops at the item that reaches this total
   * @param asViews true for views, false for copies
   */
  rest(position: Position, maxItems: number, maxBytes: number, asViews: boolean): readonly Rest[] {
    const first = this.seqOf(position)
    const segment = this.#front.index.find(first)
    // A clamped position contradicts the log; `next` reports it.
    const isClamped = first !== fromPosition(position).seq
    if (segment?.kind !== 'batch' || isClamped || first < this.#front.truncatedTo.seq) return []
    const { items, header } = segment.batch
    const begin = first - segment.start.seq
    // The next item may be in the next batch.
    if (items.isViewed(begin)) return []
    const committed = Math.min(this.#front.committedTo, segment.limit) - segment.start.seq
    const end = Math.min(items.length, committed, begin + maxItems)
    const found = items.slice(begin, end, maxBytes, asViews)
    const pin = asViews ? items.pin(begin, begin + found.length) : undefined
    const positions = positionsFrom(header.epoch, first + 1, found.length)
    return found.map((item, index) => ({
      item,
      position: positions[index] as Position,
      pushedAt: header.time,
      ...(pin !== undefined && { pin }),
    }))
  }

  /**
   * The cursor of a position that was popped; undefined if it was not. If its batch has been overwritten since, the
   * cursor is right before the truncation, and only its item count is meaningful.
   */
  cursorOf(position: Position): Promise<Cursor | undefined> {
    return this.#recheck(async (recheckedAt): Promise<Cursor | undefined | Suspect> => {
      const seq = this.seqOf(position)
      if (seq > this.#front.committedTo) return undefined
      const { truncatedTo } = this.#front
      if (seq < truncatedTo.seq) {
        const logPosition = { lsn: truncatedTo.lsn - 1, seq, bytes: truncatedTo.bytes, crc: 0 }
        return cursorAt(logPosition)
      }
      const segment = await this.#front.segmentAt(seq, recheckedAt)
      if (segment === undefined) {
        if (this.#front.frontier.seq !== seq) throw this.#contradiction(position)
        return cursorAt(this.#front.frontier)
      }
      if (segment.kind === 'suspect') return segment
      const index = seq - segment.start.seq
      if (segment.kind === 'gap' || index === 0) return cursorAt(segment.start)
      const bytes = addBytes(segment.start.bytes, segment.batch.items.bytesBefore(index))
      return { logPosition: segment.start, index, bytes }
    })
  }

  /**
   * Runs a search. If it stops at apparent damage, refreshes the slots and runs it again: it is damage only if the
   * batch is still committed and not given up.
   */
  async #recheck<T>(
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
    this.#front.index.forgetBefore(logPosition.lsn)
  }

  /** A run of damaged items, reported together. */
  #loss({ lossAt }: LossErrors, segment: DamagedSegment, seq: number, from: Position): Loss {
    const committed = Math.min(segment.end.seq, segment.limit, this.#front.committedTo)
    const positionAt = (end: number) =>
      this.#front.known.positionAfter(from, segment.start.lsn, end)
    return lossAt(this.#disk, segment, seq, committed, positionAt)
  }

  #contradiction(position: Position): RingError {
    return contradiction(this.#disk.device.name, position)
  }
}
