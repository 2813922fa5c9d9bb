import type { BlockDevice } from '../../block/device.ts'
import { readOnly } from '../../block/validate.ts'
import type { RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { Lazy } from '../../util/lazy.ts'
import { NO_OPTIONS, signalOf, type WaitingOptions } from '../../util/waiting.ts'
import type { AttachedProducer, QueueProducer, RoomFor } from '../format.ts'
import { roleText } from '../names.ts'
import type { Claimed } from '../shared/claim-role.ts'
import { pushOne } from '../shared/single-item.ts'
import { isTraced, trace } from '../trace.ts'
import type { AttachOptions, PushManyResult, PushResult, RingState } from '../types.ts'
import {
  BatchBuilder,
  type BatchContent,
  type BatchStart,
  type EncodedBatch,
} from './batch-builder.ts'
import { BatchCutter, type Part } from './batch-cutter.ts'
import { batchBlocks, batchEnd } from './disk/batch.ts'
import { isBad } from './disk/block.ts'
import { type Disk, diskErrors, exhausted } from './disk/disk.ts'
import { CHECKPOINT_BYTES } from './disk/layout.ts'
import { isCount, type LogPosition, MAX_COUNT } from './disk/log-position.ts'
import type { ConsumerSlot, ProducerSlot, Read, SlotIndex } from './disk/slots.ts'
import { FreeSpace } from './log/free-space.ts'
import { isInReach, reachOf } from './log/reach.ts'
import { fromPosition, pushedFrom, toPosition, toText } from './position.ts'
import type { RecoveredLog } from './recover.ts'
import { Format2Role, newestConsumer, newestProducer } from './role.ts'
import { SlotPair } from './slot-pair.ts'
import { takeRole } from './take-role.ts'

/** Loaded on demand: a program that only consumes never needs it. */
const recovery = new Lazy(() => import('./recover.ts'))

/**
 * Attaches the producer: finds the end of the committed log, and begins an epoch there.
 * @throws {BlockError} `BLOCK_READ_ONLY`, `BLOCK_CLAIMED`
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function attachProducer(
  device: BlockDevice,
  options: AttachOptions,
): Promise<AttachedProducer> {
  if (!(await device.getInfo()).readWrite) throw readOnly(device.name)
  const { claimed, disk } = await takeRole(device, 'producer', options)
  try {
    const { recover } = recovery.value ?? (await recovery.load())
    const found = await recover(disk, options.signal)
    const before = newestProducer(found.slots.producer, device.name)
    const suspend = newestConsumer(found.slots.consumer, device.name).slot.suspend
    if (!suspend) {
      const producer = new Format2Producer(claimed, disk, found)
      await producer.begin(found)
      return { status: 'attached', producer }
    }
    if (!before.slot.suspendAck) {
      const generation = before.slot.generation + 1
      const slot = { ...before.slot, generation, suspendAck: true, time: claimed.clock.time() }
      await disk.writeProducerSlot(before.older, slot)
    }
  } catch (error) {
    await claimed.release()
    throw error
  }
  await claimed.release()
  return { status: 'suspended' }
}

/** The interval at which a producer without room records how many pushes were refused. */
const NOTE_FULL_MS = 1000

function isValidSlot(slot: Read<ConsumerSlot>): slot is ConsumerSlot {
  return !isBad(slot)
}

/** A batch that is encoded while the one before is written. */
interface Ahead extends BatchContent {
  readonly part: Part
  readonly encoded: EncodedBatch
}

/**
 * The producer of format 2. It appends batches at the tail, and keeps its state in two slots.
 *
 *    FreeSpace limit   uncommitted[0]         tail (next batch)
 *          |                |                  |
 *    ------|=== committed ==|-- uncommitted ---|--- free ---> LSN, one lap around the data area
 *
 * - A commit is one durable write: the header of the batch names the item up to which everything is committed. Slots
 *   are only checkpoints, written every few MiB, and before blocks are reused that recovery from the last checkpoint
 *   would read.
 * - Both slots have what recovery needs before a block is overwritten, because a torn write can leave either one.
 * - One block stays free for each uncommitted item, so that a marker can commit it even in a full ring.
 * - Attaching begins an epoch, which voids what earlier producers left uncommitted, or write late.
 * - After a failed write the handle is poisoned. After a refusal it continues as if the call had not been made.
 */
export class Format2Producer extends Format2Role implements QueueProducer {
  /** The push time of the next items, if it is not now: for items moved from another ring. */
  pushedAt: number | undefined
  /** The contents of our slots. */
  readonly #slots: SlotPair<ProducerSlot>
  readonly #space: FreeSpace
  /** The log position of the next batch. */
  #tail: LogPosition
  /** Log positions of the uncommitted batches. Everything before the first is committed. */
  #uncommitted: LogPosition[] = []
  #committedTo: number
  #suspendAck = false
  #commits: number
  #fullPushes: number
  #notedFullAt = Number.NEGATIVE_INFINITY
  readonly #builder: BatchBuilder

  constructor(claimed: Claimed, disk: Disk, found: RecoveredLog) {
    super(claimed, disk)
    const before = newestProducer(found.slots.producer, this.device.name).slot
    this.#slots = new SlotPair(before, before)
    this.#space = new FreeSpace(
      disk,
      found.slots.consumer.filter(isValidSlot),
      before.epochs,
      before.truncatedTo,
    )
    this.#tail = found.tail.logPosition
    this.#committedTo = found.tail.logPosition.seq
    this.#commits = before.commits + found.tail.commits
    this.#fullPushes = before.fullPushes
    this.#builder = new BatchBuilder(disk)
  }

  get position(): Position {
    return toPosition(this.#space.currentEpoch.epoch, this.#tail.seq)
  }

  override get logOffset(): bigint {
    return this.logOffsetOf(this.#tail)
  }

  /** Begins an epoch. Before any item is accepted, both slots have it, and it was read back. */
  async begin(found: RecoveredLog): Promise<void> {
    this.#space.beginEpoch(this.#tail)
    const newestBefore = newestProducer(found.slots.producer, this.device.name)
    await this.#checkpoint(newestBefore.older)
    await this.#checkpoint(newestBefore.which)
    await this.refresh()
  }

  state(): Promise<RingState> {
    return this.run(async () => {
      await this.refresh()
      return this.#answerSuspendRequest()
    })
  }

  push(item: Uint8Array, options?: WaitingOptions): Promise<PushResult> {
    return pushOne(this, item, options)
  }

  pushMany(
    items: readonly Uint8Array[],
    options: WaitingOptions = NO_OPTIONS,
  ): Promise<PushManyResult> {
    return this.#write(items, false, 'Producer.pushMany', options)
  }

  append(
    items: readonly Uint8Array[],
    options: WaitingOptions = NO_OPTIONS,
  ): Promise<PushManyResult> {
    return this.#write(items, true, 'Producer.append', options)
  }

  advance(position: Position, options: WaitingOptions = NO_OPTIONS): Promise<void> {
    return this.run(async () => {
      const signal = signalOf('Producer.advance', options)
      const { epoch, seq } = fromPosition(position)
      const { epoch: current, start } = this.#space.currentEpoch
      const begun = start.seq
      if (seq <= (epoch < current ? begun : epoch === current ? this.#committedTo : -1)) return
      if (epoch !== current || seq > this.#tail.seq) {
        throw new RangeError(
          `position ${toText(position)} was not returned by a push of this handle (pushed up to ${toText(this.position)})`,
        )
      }
      const exhausted = this.#exhausted(0)
      if (exhausted !== undefined) throw await exhausted
      await this.refreshBeforeWrite()
      if (!(await this.#makeRoom(1, signal))) {
        const { noRoom } = diskErrors.value ?? (await diskErrors.load())
        throw noRoom(this.device.name, position)
      }
      await this.#writeBatch({ items: [], bodyBytes: 0, committedTo: seq })
    })
  }

  #write(
    pushed: readonly Uint8Array[],
    commit: boolean,
    call: string,
    options: WaitingOptions,
  ): Promise<PushManyResult> {
    return this.runWith(pushed, async (items) => {
      const signal = signalOf(call, options)
      const exhausted = this.#exhausted(items.length)
      if (exhausted !== undefined) throw await exhausted
      // Awaits only if it has to: each async function takes as long as a checksum.
      if (this.mustRefreshBeforeWrite) await this.refresh()
      if (this.#isPaused && (await this.#answerSuspendRequest()) === 'suspended') {
        return { status: 'suspended' }
      }
      const first = this.#tail.seq
      const cutter = new BatchCutter(items, this.disk.layout, commit)
      let room = this.#room
      let done = 0
      let ahead: Ahead | undefined
      try {
        while (done < items.length) {
          const part = ahead?.part ?? cutter.next(done, this.#tail.seq - this.#committedTo, room)
          if (part.needed > 0 && (await this.#makeRoom(part.needed, signal))) {
            room = Math.max(part.needed, this.#room)
            continue
          }
          if (part.end === done) break
          const batch = ahead ?? this.#batchOf(cutter, done, part, this.#tail, commit)
          ahead = await this.#writeBatch(batch, (tail, committedTo) =>
            this.#encodeAhead(cutter, part.end, tail, committedTo, commit),
          )
          done = part.end
          room = this.#room
        }
      } catch (error) {
        // A consumer may have read the written batches, so they are not reverted: they are returned, and the next call
        // throws.
        if (done === 0 || this.poisoned) throw error
      }
      if (this.#tail.seq === first && items.length > 0) return this.#refuse()
      const { epoch } = this.#space.currentEpoch
      return pushedFrom(epoch, first, this.#tail.seq - first)
    })
  }

  /** The reason why readers would refuse the next batches, or the marker that commits them. */
  #exhausted(items: number): Promise<RingError> | undefined {
    const seq = this.#tail.seq + items
    const lsn = this.#tail.lsn + this.disk.layout.dataBlocks
    if (isCount(seq) && isCount(lsn)) return undefined
    const expected = `numbers below ${MAX_COUNT}`
    return exhausted(this.device.name, { field: 'counts', expected, found: `${seq} and ${lsn}` })
  }

  /** Counts a refusal, and records it now and then: operators want to see that a ring is full. */
  async #refuse(): Promise<{ readonly status: 'retry' }> {
    this.#fullPushes++
    if (this.clock.now() - this.#notedFullAt >= NOTE_FULL_MS) {
      this.#notedFullAt = this.clock.now()
      // The search for room has just read our slots.
      await this.#checkpoint()
    }
    return { status: 'retry' }
  }

  /** A part of a call's items as a batch. */
  #batchOf(
    cutter: BatchCutter,
    start: number,
    { end, bytes }: Part,
    tail: LogPosition,
    commit: boolean,
  ): BatchContent {
    const items = cutter.slice(start, end)
    const committedTo = commit ? tail.seq + items.length : this.#committedTo
    return { items, bodyBytes: bytes, committedTo }
  }

  /**
   * Encodes the part of a call's items that follows the one being written. Nothing else changes the log of this handle
   * in between, except a failed write, which drops the rest of the call and this part with it.
   * @param tail the end of the log after the write
   * @param committedTo the number of committed items after the write
   * @returns undefined if there is no such part, or it lacks room
   */
  #encodeAhead(
    cutter: BatchCutter,
    start: number,
    tail: LogPosition,
    committedTo: number,
    commit: boolean,
  ): Ahead | undefined {
    if (start === cutter.count) return undefined
    const part = cutter.next(start, tail.seq - committedTo, this.#roomFrom(tail))
    if (part.end === start || part.needed > 0) return undefined
    const batch = this.#batchOf(cutter, start, part, tail, commit)
    const encoded = this.#builder.encodeAhead(batch, this.#startAt(tail))
    return encoded && { ...batch, part, encoded }
  }

  /** Blocks that can be written, as of the last refresh. */
  get #room(): number {
    return this.#roomFrom(this.#tail)
  }

  #roomFrom({ lsn }: LogPosition): number {
    return this.#space.freeTo + this.disk.layout.dataBlocks - lsn
  }

  /**
   * True if `blocks` blocks can be written, after a refresh if necessary, and after giving up the oldest items if the
   * ring overwrites.
   */
  async #makeRoom(blocks: number, signal?: AbortSignal): Promise<boolean> {
    if (blocks > this.#room) await this.refresh()
    if (blocks <= this.#room) return true
    const needed = this.#tail.lsn + blocks - this.disk.layout.dataBlocks
    return this.#space.giveUp(needed, this.#committed, signal)
  }

  /**
   * @param meanwhile called during the write, with the ends of the log and of the committed items after it
   * @returns the result of `meanwhile`
   */
  async #writeBatch<T>(
    batch: BatchContent,
    meanwhile?: (tail: LogPosition, committedTo: number) => T | undefined,
  ): Promise<T | undefined> {
    const { items, bodyBytes, committedTo } = batch
    const { blockSize, dataBlocks } = this.disk.layout
    const blocks = batchBlocks(items.length, bodyBytes, blockSize)
    const overwritten = this.#tail.lsn + blocks - dataBlocks
    if (this.#isBehind || !this.#isPermitted(overwritten)) await this.#checkpointBefore(overwritten)
    const { header, bytes } =
      batch.encoded ?? this.#builder.encode(batch, this.#startAt(this.#tail))
    if (committedTo > this.#committedTo && isTraced('producer')) {
      const position = toPosition(header.epoch, committedTo)
      trace('set', 'producer', position, this.disk.names, this.device.name)
    }
    const written = this.poisonOnFailure(this.disk.writeBlocks(this.#tail.lsn, bytes))
    const tail = batchEnd(header, blockSize)
    const result = meanwhile?.(tail, Math.max(committedTo, this.#committedTo))
    await written
    this.#uncommitted.push(this.#tail)
    this.#tail = tail
    if (committedTo > this.#committedTo) this.#commits++
    this.#committedTo = committedTo
    while (
      this.#uncommitted.length > 0 &&
      (this.#uncommitted[1] ?? this.#tail).seq <= committedTo
    ) {
      this.#uncommitted.shift()
    }
    if (this.#uncommitted.length === 0) this.#space.grewTo(this.#tail)
    this.checkpointWhenIdle()
    return result
  }

  /** The start of a batch at `tail`. */
  #startAt(tail: LogPosition): BatchStart {
    const { epoch } = this.#space.currentEpoch
    return { start: tail, epoch, time: this.pushedAt ?? this.clock.time() }
  }

  get roomFor(): RoomFor {
    return this.#builder.roomFor
  }

  /** The log position before which everything is committed. */
  get #committed(): LogPosition {
    return this.#uncommitted[0] ?? this.#tail
  }

  /**
   * Checkpoints before blocks up to `overwritten` are reused, and before a batch is out of reach of the last
   * checkpoint. Both slots are written, because either may be the one that survives. Also checkpoints often enough to
   * keep recovery short.
   */
  async #checkpointBefore(overwritten: number): Promise<void> {
    await this.#checkpoint()
    if (!this.#isPermitted(overwritten)) await this.#checkpoint()
  }

  /** True if recovery would take long. */
  get #isBehind(): boolean {
    const blocks = CHECKPOINT_BYTES / this.disk.layout.blockSize
    const { lsn } = this.#committed
    return this.#slots.every(({ committed }) => lsn - committed.lsn >= blocks)
  }

  /** True if both slots have all that is needed before the next batch is written, over blocks up to `overwritten`. */
  #isPermitted(overwritten: number): boolean {
    const { lsn } = this.#tail
    return this.#slots.every(
      (slot) => this.#space.permits(slot, overwritten) && isInReach(slot, lsn, this.disk.layout),
    )
  }

  /** Writes a slot. If the slot grants a suspend request, the ring is suspended from then on. */
  async #checkpoint(
    which: SlotIndex = this.#slots.older,
    suspendAck: boolean = this.#suspendAck,
  ): Promise<void> {
    const slot: ProducerSlot = {
      generation: this.#slots.nextGeneration,
      committed: this.#committed,
      reach: reachOf(this.#committed, this.#tail.lsn, this.disk.layout),
      epochs: this.#space.epochs,
      truncatedTo: this.#space.truncatedTo,
      suspendAck,
      time: this.clock.time(),
      commits: this.#commits,
      fullPushes: this.#fullPushes,
      text: roleText(this),
    }
    try {
      await this.poisonOnFailure(this.disk.writeProducerSlot(which, slot))
    } catch (error) {
      // Reverts the truncation; otherwise a later slot would give up items for no batch.
      this.#space.takeBack(this.#slots.newest.truncatedTo)
      throw error
    }
    this.#slots.set(which, slot)
    this.#suspendAck = suspendAck
  }

  protected override async checkpointIfBehind(): Promise<void> {
    const lsn = this.#committed.lsn
    if (this.#slots.every((slot) => slot.committed.lsn < lsn)) {
      await this.refreshBeforeWrite()
      await this.#checkpoint()
    }
  }

  /** True if the consumer has requested a pause, or was granted one. */
  get #isPaused(): boolean {
    return this.#suspendAck || this.#suspendRequested()
  }

  async #answerSuspendRequest(): Promise<RingState> {
    const suspend = this.#suspendRequested()
    if (suspend !== this.#suspendAck) {
      await this.refreshBeforeWrite()
      await this.#checkpoint(undefined, this.#suspendRequested())
    }
    return this.#suspendAck ? 'suspended' : 'running'
  }

  #suspendRequested(): boolean {
    const [first, second] = this.#space.consumerSlots
    if (first === undefined || second === undefined) return first?.suspend ?? false
    return first.generation > second.generation ? first.suspend : second.suspend
  }

  protected override async doRefresh(): Promise<void> {
    let slots = await this.disk.readSlots()
    const lost = await this.checkOwn('producer', this.#slots, slots.producer)
    for (const which of lost) await this.#checkpoint(which)
    if (slots.consumer.some(isBad)) {
      // Only one slot is valid, and it may be only in a volatile cache.
      await this.poisonOnFailure(this.device.flush())
      slots = await this.disk.readSlots()
    }
    newestConsumer(slots.consumer, this.device.name)
    this.#space.apply(slots.consumer.filter(isValidSlot))
  }
}
