import type { BlockDevice } from '../../block/device.ts'
import { readOnly } from '../../block/validate.ts'
import type { Position } from '../../position.ts'
import type { ItemView, QueueConsumer } from '../format.ts'
import { roleText } from '../names.ts'
import { isRefusal } from '../shared/base-role.ts'
import type { Claimed } from '../shared/claim-role.ts'
import { publishDamage } from '../shared/damage.ts'
import { RequestAnswerer } from '../shared/request-answerer.ts'
import { foldAll, popBounds, popOne } from '../shared/single-item.ts'
import type {
  ConsumerOptions,
  PopManyOptions,
  PoppedItem,
  PopResult,
  RingState,
  SuspendResult,
} from '../types.ts'
import { checkpointedSlots } from './checkpointed-slots.ts'
import { ConsumerSlots, type ConsumerState } from './consumer-slots.ts'
import { type Cursor, itemsBefore } from './disk/cursor.ts'
import type { Disk } from './disk/disk.ts'
import type { LogPosition } from './disk/log-position.ts'
import { SeenSlots } from './disk/seen-slots.ts'
import type { ConsumerSlot, ProducerSlot, SlotIndex, Slots } from './disk/slots.ts'
import { traceConsumer } from './disk/trace-slots.ts'
import { ConsumerLog } from './log/consumer-log.ts'
import { lossErrors } from './log/log-front.ts'
import { LossCounter } from './log/loss-counter.ts'
import { fromPosition, startOf, toText } from './position.ts'
import { Format2Role, newestConsumer, newestProducer } from './role.ts'
import { takeRole } from './take-role.ts'

/**
 * Attaches the consumer.
 * @throws {BlockError} `BLOCK_CLAIMED`
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function attachConsumer(
  device: BlockDevice,
  options: ConsumerOptions,
): Promise<QueueConsumer> {
  const answerer = new RequestAnswerer()
  const onRequest = options.answerRequests === false ? undefined : answerer.answer
  const { claimed, disk } = await takeRole(device, 'consumer', options, onRequest)
  try {
    const consumer = new Format2Consumer(claimed, disk, await checkpointedSlots(disk), options)
    answerer.consumer = consumer
    return consumer
  } catch (error) {
    await claimed.release()
    throw error
  }
}

/** The most memory that views may pin. Beyond it, items are copied. */
const MAX_PINNED_BYTES = 64 << 20

/** Items that were pushed at the same time. */
export interface PushedItems {
  readonly items: readonly PoppedItem[]
  /** Push time, in milliseconds since 1970, by the producer's clock. */
  readonly time: number
}

/**
 * The consumer of format 2. It reads the log through `ConsumerLog`, and keeps its cursor and its suspend request in two
 * slots.
 *
 * - Popping changes nothing on the device. `advance` writes the cursor into the older slot: one durable write.
 * - The producer frees space up to the lower of both cursors, because the newer slot may be only in a volatile cache.
 *   So the older slot is brought up to date when the consumer is idle, or lags by much.
 * - The cursor never goes back on the device, except to where an epoch began that the consumer had not seen.
 * - Damage is reported once for each run of items, and counted when the cursor passes it.
 */
export class Format2Consumer extends Format2Role implements QueueConsumer {
  /** The contents of our slots. */
  readonly #slots: ConsumerSlots
  readonly #skip: boolean
  #producer: ProducerSlot
  #log: ConsumerLog
  /**
   * The state on the device. A caller's request (to advance, to suspend) changes it only once a slot has it: the device
   * may refuse the write, and then the handle continues from here.
   */
  #saved: ConsumerState
  /** The position of the last `advance`, if there was one. */
  #advancedTo: Position | undefined
  readonly #lossCounter = new LossCounter()
  /** The slots' headers at the last refresh. */
  readonly #seenSlots = new SeenSlots()
  /**
   * The time since which nothing has come: when the last pop that found nothing began, or when the slots were last seen
   * unchanged since then.
   */
  #emptyAt = Number.NEGATIVE_INFINITY

  constructor(claimed: Claimed, disk: Disk, slots: Slots, options: ConsumerOptions) {
    super(claimed, disk)
    const own = newestConsumer(slots.consumer, this.device.name).slot
    this.#slots = ConsumerSlots.of(slots.consumer, own)
    this.#producer = newestProducer(slots.producer, this.device.name).slot
    this.#skip = options.onDamage === 'skip'
    this.#saved = own
    this.#log = new ConsumerLog(
      disk,
      own.cursor,
      this.#producer,
      () => this.refresh(),
      this.maxItemBytes,
    )
    this.#apply(this.#producer)
    // A consumer that was killed leaves a lagging older slot.
    if (!this.#slots.have(this.#saved)) this.checkpointWhenIdle()
  }

  get position(): Position {
    const position = this.#log.positionOf(this.#cursor)
    // After a merge of epochs the cursor may belong to any of them, but to none older than the one last advanced past.
    return this.#advancedTo !== undefined && this.#advancedTo > position
      ? this.#advancedTo
      : position
  }

  get #cursor(): Cursor {
    return this.#saved.cursor
  }

  get jumps(): number {
    return this.#log.jumps
  }

  /**
   * The log position of the next batch to read. Drops what was prefetched: later reads see the device as it is now.
   * @throws as `popMany`
   */
  frontier(): Promise<LogPosition> {
    return this.run(async () => this.#log.forgetAhead())
  }

  override get logOffset(): bigint {
    return this.logOffsetOf(this.#cursor.logPosition)
  }

  state(): Promise<RingState> {
    return this.run(async () => {
      await this.refresh()
      return this.#producer.suspendAck ? 'suspended' : 'running'
    })
  }

  suspend(): Promise<SuspendResult> {
    return this.#request(true)
  }

  resume(): Promise<SuspendResult> {
    return this.#request(false)
  }

  pop(from?: Position): Promise<PopResult> {
    return popOne(this, from)
  }

  popMany(options: PopManyOptions = {}): Promise<readonly PoppedItem[]> {
    return this.#popMany(options, () => undefined, false)
  }

  popViews(options: PopManyOptions): Promise<readonly ItemView[]> {
    return this.#popMany(options, () => undefined, true)
  }

  /** As `popMany`, with push times. */
  async popByTime(options: PopManyOptions): Promise<readonly PushedItems[]> {
    const times: { readonly start: number; readonly time: number }[] = []
    const popped = await this.#popMany(options, (start, time) => times.push({ start, time }), false)
    return times.map(({ start, time }, index) => ({
      items: popped.slice(start, times[index + 1]?.start),
      time,
    }))
  }

  /** @param onTime called with the index of each item whose push time differs from the one before */
  #popMany(
    options: PopManyOptions,
    onTime: (start: number, time: number) => void,
    views: boolean,
  ): Promise<readonly ItemView[]> {
    return this.run(async () => {
      const { maxItems, maxBytes } = popBounds(options)
      const popped: ItemView[] = []
      const begun = this.clock.now()
      this.#emptyAt = Number.NEGATIVE_INFINITY
      let from = options.from ?? this.position
      await this.#checkKnownEpoch(from)
      this.#checkFrom(from)
      this.#log.begin(options.signal)
      try {
        for (let bytes = 0; popped.length < maxItems && bytes < maxBytes; ) {
          const asViews = views && this.#log.pinnedBytes < MAX_PINNED_BYTES
          const next = await this.#next(from, popped.length > 0, asViews)
          if (next === undefined) break
          onTime(popped.length, next.time)
          bytes += next.popped.item.length
          popped.push(next.popped)
          const rest = this.#log.rest(
            next.popped.position,
            maxItems - popped.length,
            maxBytes - bytes,
            asViews,
          )
          for (const entry of rest) {
            bytes += entry.item.length
            popped.push(entry)
          }
          from = popped.at(-1)?.position ?? from
        }
      } catch (error) {
        for (const { pin } of popped) pin?.unpin()
        throw error
      } finally {
        this.#log.end()
      }
      if (popped.length === 0) this.#emptyAt = begun
      return popped
    })
  }

  mayHaveItems(from: Position, maxAgeMs: number, isLikely: boolean): Promise<boolean> {
    return this.run(async () => {
      if (!this.#wasEmpty || !(await this.#log.isStillEnd(from, isLikely))) return true
      const now = this.clock.now()
      if (now - this.#emptyAt < maxAgeMs) return false
      if (!(await this.disk.hasSameSlots(this.#seenSlots))) return true
      this.#emptyAt = now
      return false
    })
  }

  mayHaveItemsNow(from: Position, maxAgeMs: number): boolean {
    if (!this.isUsable || !this.#wasEmpty || !this.#log.isStillEndNow(from)) return true
    const now = this.clock.now()
    if (now - this.#emptyAt < maxAgeMs) return false
    if (!this.disk.hasSameSlotsNow(this.#seenSlots)) return true
    this.#emptyAt = now
    return false
  }

  get #wasEmpty(): boolean {
    return this.#emptyAt !== Number.NEGATIVE_INFINITY
  }

  fold<A>(
    f: (accumulator: A, item: Uint8Array, position: Position) => A | Promise<A>,
    initial: A,
    from?: Position,
  ): Promise<{ readonly position: Position; readonly accumulator: A }> {
    return foldAll(this, f, initial, from)
  }

  advance(position: Position): Promise<void> {
    return this.run(async () => {
      await this.#checkKnownEpoch(position)
      if (this.#log.seqOf(position) <= itemsBefore(this.#cursor)) return
      await this.refreshBeforeWrite()
      let cursor = await this.#log.cursorOf(position)
      if (cursor !== undefined && cursor.logPosition.lsn < this.#producer.truncatedTo.lsn) {
        // The slot that shows it overwritten may be only in a volatile cache, and a cursor must not outlive that slot.
        await this.poisonOnFailure(this.device.flush())
        await this.refresh()
        cursor = await this.#log.cursorOf(position)
      }
      if (cursor === undefined) {
        throw new RangeError(`position ${toText(position)} was not returned by a pop`)
      }
      await this.#checkpoint(this.#savedAt(cursor))
      this.#cursorMoved(position)
      const { dataBlocks } = this.disk.layout
      if (this.#slots.lagFarBehind(this.#cursor, dataBlocks)) await this.#checkpointAgain()
      this.#log.forgetBefore(cursor.logPosition)
      this.checkpointWhenIdle()
    })
  }

  isBefore(one: Position, other: Position): boolean {
    return this.#log.seqOf(one) < this.#log.seqOf(other)
  }

  /** True if fewer items precede the position than it counts: a newer epoch has reused its numbers. */
  isLost(position: Position): boolean {
    return this.#log.seqOf(position) < fromPosition(position).seq
  }

  startOf(position: Position): Position {
    return startOf(position)
  }

  /** The state with the cursor moved. */
  #savedAt(cursor: Cursor): ConsumerState {
    const { damaged, missed } = this.#lossCounter.before(itemsBefore(cursor))
    const saved = this.#saved
    return {
      ...saved,
      cursor,
      damagedItems: saved.damagedItems + damaged,
      missedItems: saved.missedItems + missed,
    }
  }

  /** Records that the cursor has moved. */
  #cursorMoved(position: Position): void {
    this.#lossCounter.forgetBefore(itemsBefore(this.#cursor))
    this.#advancedTo = position
  }

  /**
   * Acknowledges damage at our own position if nothing follows it: no later item will bring a position to advance to.
   */
  async #advancePastDamage(from: Position, to: Position): Promise<void> {
    if (to === from || this.#log.seqOf(from) > itemsBefore(this.#cursor)) return
    const cursor = await this.#log.cursorOf(to)
    if (cursor === undefined || cursor.logPosition.lsn < this.#producer.truncatedTo.lsn) return
    this.#saved = this.#savedAt(cursor)
    this.#cursorMoved(to)
    this.checkpointWhenIdle()
  }

  /**
   * Checks that the device accepts writes before it is read for one.
   * @throws {BlockError} `BLOCK_READ_ONLY`
   */
  async #checkWritable(): Promise<void> {
    if (!(await this.#isWritable())) throw readOnly(this.device.name)
  }

  async #isWritable(): Promise<boolean> {
    return (await this.device.getInfo()).readWrite
  }

  /**
   * Checks that a position can be one of this ring.
   * @throws {RangeError} it is not
   */
  async #checkKnownEpoch(position: Position): Promise<void> {
    if (this.#log.isUnknownEpoch(position)) await this.refresh()
    if (!this.#log.isUnknownEpoch(position)) return
    throw new RangeError(`position ${toText(position)} was not returned by a pop`)
  }

  /**
   * The next sound item, as a copy or a view. Damage before it is thrown, unless it is to be skipped, or items were
   * already popped.
   */
  async #next(
    from: Position,
    some: boolean,
    asViews: boolean,
  ): Promise<{ readonly popped: ItemView; readonly time: number } | undefined> {
    let missed = 0
    for (let at = from; ; ) {
      let step = await this.#log.next(at)
      if (step.status === 'nothing') {
        if (some) return undefined
        const { generation } = this.#producer
        await this.refresh()
        // The same blocks can mean something else only if the producer's slot has changed.
        if (this.#producer.generation !== generation) step = await this.#log.next(at)
      }
      if (step.status === 'nothing') {
        // Overwritten items are reported with the next item, and take no room.
        if (this.#skip && missed === 0) await this.#advancePastDamage(from, at)
        return undefined
      }
      if (step.status === 'item') {
        const { position: after, pushedAt } = step
        const item = asViews ? step.item : new Uint8Array(step.item)
        const pin = asViews ? step.pin() : undefined
        const popped = { item, position: after, pushedAt, ...(pin !== undefined && { pin }) }
        return { popped: missed > 0 ? { ...popped, missed } : popped, time: pushedAt }
      }
      if ((step.status === 'damage' || step.status === 'too-large') && some) return undefined
      at = step.position
      const end = this.#log.seqOf(at)
      if (step.status === 'missed') {
        missed += step.items
        this.#lossCounter.add('missed', step.items, end)
        continue
      }
      if (step.status === 'damage') this.#lossCounter.add('damaged', step.items, end)
      if (step.status === 'too-large' || !this.#skip) {
        const { missedBefore } = lossErrors.value ?? (await lossErrors.load())
        throw missed > 0 ? missedBefore(step.error, missed) : step.error
      }
      publishDamage(step.error)
    }
  }

  #checkFrom(from: Position): void {
    const seq = this.#log.seqOf(from)
    const own = itemsBefore(this.#cursor)
    if (seq < own || seq > this.#log.readTo) {
      throw new RangeError(
        `position ${toText(from)} was acknowledged already, or never returned by a pop: the consumer is at ` +
          toText(this.position),
      )
    }
  }

  #request(suspend: boolean): Promise<SuspendResult> {
    return this.run(async () => {
      await this.#checkWritable()
      await this.refresh()
      if (this.#saved.suspend !== this.#producer.suspendAck) return { status: 'retry' }
      // In both slots: otherwise the loss of one would withdraw the request.
      await this.#checkpoint({ ...this.#saved, suspend })
      await this.#checkpointAgain()
      return { status: 'ok' }
    })
  }

  /** Writes a state into the older slot, and makes it the current one. */
  async #checkpoint(
    saved: ConsumerState = this.#saved,
    which: SlotIndex = this.#slots.older,
  ): Promise<void> {
    const slot: ConsumerSlot = {
      ...saved,
      generation: this.#slots.nextGeneration,
      time: this.clock.time(),
      text: roleText(this),
    }
    traceConsumer('set', slot, this.#producer.epochs, this.disk.names, this.device.name)
    await this.poisonOnFailure(this.disk.writeConsumerSlot(which, slot))
    this.#slots.set(which, slot)
    this.#saved = saved
  }

  /** Brings the older slot up to date. If the device refuses, it is retried once the device accepts writes. */
  async #checkpointAgain(): Promise<void> {
    try {
      await this.#checkpoint()
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.checkpointWhenIdle()
    }
  }

  /** Brings both slots up to date: the producer frees space by the lower cursor. */
  protected override async checkpointIfBehind(): Promise<void> {
    for (let writes = 0; writes < 2 && !this.#slots.have(this.#saved); writes++) {
      await this.#checkWritable()
      await this.refreshBeforeWrite()
      await this.#checkpoint()
    }
  }

  protected override async doRefresh(): Promise<void> {
    // After this a waiting reader must pop again, even if it fails.
    this.#emptyAt = Number.NEGATIVE_INFINITY
    const slots = await this.disk.readSlots(this.#seenSlots)
    const lost = await this.checkOwn('consumer', this.#slots, slots.consumer)
    if (lost.length > 0 && (await this.#isWritable())) {
      for (const which of lost) await this.#checkpoint(this.#saved, which)
    }
    const { slot } = newestProducer(slots.producer, this.device.name)
    // An older generation is a stale read.
    if (slot.generation >= this.#producer.generation) this.#apply(slot)
  }

  /** Applies a producer slot. If an unseen epoch began before our cursor, the log continues from there. */
  #apply(producer: ProducerSlot): void {
    this.#producer = producer
    const cursor = this.#log.apply(producer, this.#saved.seen, this.#cursor)
    // An epoch that we saw may be lost with a cache. No later one reuses its number, and our slots never go back.
    const seen = Math.max(this.#saved.seen, this.#log.epoch)
    const isNew = cursor !== this.#cursor || seen !== this.#saved.seen
    this.#saved = { ...this.#saved, cursor, seen }
    if (isNew) this.checkpointWhenIdle()
  }
}
