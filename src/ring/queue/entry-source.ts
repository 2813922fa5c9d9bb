import type { PooledBuffer } from '../../block/buffer-pool.ts'
import type { Clock } from '../../clock.ts'
import { type Codec, decodeItem } from '../../codec/codec.ts'
import { isCodecError, isRingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { untilAborted } from '../../util/abort.ts'
import type { ItemView, QueueConsumer } from '../format.ts'
import { formatPosition, parsePosition } from '../shared/position-text.ts'
import { DEFAULT_MAX_BYTES } from '../shared/single-item.ts'
import type { PopManyOptions } from '../types.ts'
import type { Acknowledger } from './acknowledger.ts'
import type { Deliveries, Delivery } from './deliveries.ts'
import { DeliveredEntry, type RingEntry } from './entry.ts'
import { type ReaderEvent, readerEvents } from './events.ts'
import type { UnackedLimit } from './unacked-limit.ts'

/** The most bytes per pop, however many a call takes. */
const MAX_POPPED_BYTES = 16 << 20

/** The limits of a call. The signal ends a search, and the wait for a codec. */
type TakeOptions = Pick<PopManyOptions, 'maxItems' | 'maxBytes' | 'signal'> & {
  /** True if items may be views. */
  readonly views?: boolean
}

/**
 * The entries of a call as they are published: counted while they are made, because going through all of them again
 * takes 2 % of the time.
 */
class Receipt {
  readonly pushes: { count: number; readonly pushedAt: number | undefined }[] = []
  bytes = 0
  missed = 0
  #last: { count: number; readonly pushedAt: number | undefined } | undefined

  add(bytes: number, pushedAt: number | undefined, missed: number): void {
    this.bytes += bytes
    this.missed += missed
    if (this.#last === undefined || this.#last.pushedAt !== pushedAt) {
      this.#last = { count: 0, pushedAt }
      this.pushes.push(this.#last)
    }
    this.#last.count++
  }
}

/** The collaborators of an {@link EntrySource}. */
interface EntrySourceParts<Out> {
  readonly consumer: QueueConsumer
  readonly codec: Codec<Out, never>
  readonly deliveries: Deliveries
  readonly acknowledger: Acknowledger
  readonly limit: UnackedLimit
  /** Aborted when the reader is closed. */
  readonly closing: AbortSignal
  readonly clock: Clock
}

/**
 * Pops items from a cursor of its own, and makes entries of them.
 *
 * - Each item is delivered once, unless the reader goes back. Finished items are passed.
 * - Items overwritten since the last entry are reported with the next one.
 * - Calls must not overlap.
 */
export class EntrySource<Out> {
  readonly #consumer: QueueConsumer
  readonly #codec: Codec<Out, never>
  readonly #deliveries: Deliveries
  readonly #acknowledger: Acknowledger
  readonly #limit: UnackedLimit
  readonly #closing: AbortSignal
  readonly #clock: Clock
  #cursor: Position
  /** The last position that was ever delivered or reported. */
  #deliveredTo: Position
  /** Items popped and not yet delivered, the next one last. */
  #popped: ItemView[] = []
  /** Items overwritten since the last entry, before one that did not decode, or that was acknowledged. */
  #missed = 0
  /** The last call's signal, and one that is aborted with it or when the reader is closed. */
  #either: { readonly waiting: AbortSignal; readonly signal: AbortSignal } | undefined
  /** The position after the item at which the last pop stopped. */
  #stoppedBefore: Position | undefined

  constructor(parts: EntrySourceParts<Out>) {
    this.#consumer = parts.consumer
    this.#codec = parts.codec
    this.#deliveries = parts.deliveries
    this.#acknowledger = parts.acknowledger
    this.#limit = parts.limit
    this.#closing = parts.closing
    this.#clock = parts.clock
    this.#cursor = parts.consumer.position
    this.#deliveredTo = parts.consumer.position
  }

  /** The position of the next item. */
  get cursor(): Position {
    return this.#cursor
  }

  /** @throws {RangeError} no item was delivered up to there */
  checkDelivered(position: Position): void {
    if (typeof position !== 'bigint')
      throw new TypeError('a position is a bigint, as parsePosition returns')
    if (position <= this.#deliveredTo || position <= this.#consumer.position) return
    const [found, end] = [position, this.#deliveredTo].map((each) =>
      formatPosition(each, this.#consumer.format),
    )
    throw new RangeError(
      `position ${found} lies beyond the last item delivered, which ends at ${end}`,
    )
  }

  /**
   * Continues after a position, as `RingReader.seek`.
   * @param all true to deliver finished items there again
   */
  goTo(position: Position, all: boolean): void {
    const isSkip = this.#stoppedBefore === position
    this.#dropPopped()
    this.#missed = 0
    this.#stoppedBefore = undefined
    this.#cursor = position
    if (isSkip) this.#deliveries.skip(position)
    else this.#deliveries.goTo(position, all)
  }

  /** Takes decoded items from those popped, and pops more if there are none. */
  async take(options: TakeOptions): Promise<readonly RingEntry<Out>[]> {
    const { maxItems = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = options
    const views = options.views === true
    const deliveries = this.#deliveries
    if (deliveries.hasUnwritten) await this.#acknowledger.writeUnwritten()
    this.#passFinished()
    if (this.#limit.check()) return []
    const entries: RingEntry<Out>[] = []
    const deliveredBefore = this.#deliveredTo
    const receipt = readerEvents.hasSubscribers ? new Receipt() : undefined
    for (let taken = 0; entries.length < maxItems && taken < maxBytes; ) {
      if (this.#popped.length === 0 && entries.length === 0) {
        // The last pop may have found only finished items, and entries are acknowledged meanwhile.
        this.#passFinished()
        this.#popped = await this.#pop(options.signal, views, maxBytes)
      }
      const popped = this.#popped.at(-1)
      if (popped === undefined) break
      if (popped.pin?.isGone === true) {
        this.#dropPopped()
        continue
      }
      const { position, pushedAt, missed = 0 } = popped
      if (this.#acknowledger.hasLeft(position) || deliveries.passFinished(position)) {
        this.#missed += missed
        this.#passed(position)
        continue
      }
      // The check throws what `onHeld` throws, and would lose these entries: the next call reports it.
      if (entries.length > 0 ? this.#limit.isFull : this.#limit.check()) break
      const pin = views ? popped.pin : undefined
      const stored = popped.pin === pin ? popped.item : new Uint8Array(popped.item)
      try {
        const decoded = decodeItem(this.#codec, stored, position, this.#consumer.format)
        const item =
          decoded instanceof Promise
            ? await untilAborted(decoded, options.signal, this.#closing)
            : decoded
        const missedBefore = this.#missed + missed
        const delivery = this.#deliver(position, pin)
        const stamp = { bytes: stored.length, pushedAt, missed: missedBefore }
        entries.push(new DeliveredEntry(item, stamp, delivery, this.#acknowledger))
        receipt?.add(stored.length, pushedAt, missedBefore)
        this.#missed = 0
      } catch (error) {
        if (entries.length > 0) break
        if (isCodecError(error)) {
          this.#missed += missed
          const delivery = this.#deliver(position, pin)
          error.ack = () => this.#acknowledger.acknowledge(delivery)
          this.#passed(position, pin)
        }
        throw error
      }
      this.#passed(position, pin)
      taken += stored.length
    }
    if (receipt !== undefined && entries.length > 0)
      this.#publishReceived(entries, receipt, deliveredBefore)
    return entries
  }

  #deliver(position: Position, pin: PooledBuffer | undefined): Delivery {
    const delivery = this.#deliveries.deliver(
      position,
      this.#consumer.startOf(position, this.#cursor),
    )
    if (pin !== undefined) delivery.pins = [...(delivery.pins ?? []), pin]
    return delivery
  }

  #publishReceived(
    entries: readonly RingEntry<Out>[],
    { pushes, bytes, missed }: Receipt,
    deliveredBefore: Position,
  ): void {
    const first = entries.findIndex(({ position }) => position > deliveredBefore)
    const redelivered = first < 0 ? entries.length : first
    const { size: unackedEntries } = this.#deliveries
    const at = this.#clock.time()
    const { device, queue, client } = this.#consumer
    const event: ReaderEvent = {
      device: device.name,
      queue,
      client,
      event: 'received',
      entries,
      pushes,
      bytes,
      missed,
      redelivered,
      at,
      unackedEntries,
    }
    readerEvents.publish(event)
  }

  /** Skips items acknowledged meanwhile, even by a write in progress. */
  #passFinished(): void {
    this.#acknowledger.catchUp()
    const { finishedTo } = this.#deliveries
    if (this.#acknowledger.isBefore(this.#cursor, finishedTo)) {
      this.#popped = this.#popped.filter((popped) => {
        const isAhead = popped.position > finishedTo
        if (!isAhead) popped.pin?.unpin()
        return isAhead
      })
      this.#cursor = finishedTo
      this.#deliveries.goTo(finishedTo, false)
    }
  }

  /** Drops the items popped and not delivered, which are popped again. */
  #dropPopped(): void {
    for (const { pin } of this.#popped) pin?.unpin()
    this.#popped = []
  }

  /** Pops the next items for a call that takes up to this many bytes, the last one first. */
  async #pop(
    waiting: AbortSignal | undefined,
    views: boolean,
    wantedBytes: number,
  ): Promise<ItemView[]> {
    const consumer = this.#consumer
    const signal = this.#ending(waiting)
    const options = { from: this.#cursor, signal, maxBytes: poppedBytes(wantedBytes) }
    this.#stoppedBefore = undefined
    try {
      const popped = views ? await consumer.popViews(options) : await consumer.popMany(options)
      return [...popped].reverse()
    } catch (error) {
      this.#stoppedBefore = afterStop(error)
      this.#reported(this.#stoppedBefore)
      throw error
    } finally {
      // The consumer may have learned that a cache was lost, and delivered items with it.
      this.#deliveries.cut((position) => consumer.isLost(position))
    }
  }

  /** The signal that ends a pop. `close` also ends a search past damage. A loop has one signal for all its calls. */
  #ending(waiting: AbortSignal | undefined): AbortSignal {
    if (waiting === undefined) return this.#closing
    if (this.#either?.waiting !== waiting) {
      this.#either = { waiting, signal: AbortSignal.any([waiting, this.#closing]) }
    }
    return this.#either.signal
  }

  /** @param pin the buffer that the entry keeps pinned for its view */
  #passed(position: Position, pin?: PooledBuffer): void {
    const popped = this.#popped.pop()
    if (pin === undefined) popped?.pin?.unpin()
    this.#cursor = position
    this.#reported(position)
  }

  #reported(position: Position | undefined): void {
    if (position !== undefined && position > this.#deliveredTo) this.#deliveredTo = position
  }
}

/** The bytes to pop for a call. One without a limit gets few at a time. */
function poppedBytes(wanted: number): number {
  if (wanted === Number.POSITIVE_INFINITY) return DEFAULT_MAX_BYTES
  return Math.min(Math.max(wanted, DEFAULT_MAX_BYTES), MAX_POPPED_BYTES)
}

/** The position after the item at which a pop stopped. */
function afterStop(error: unknown): Position | undefined {
  if (!isRingError(error)) return undefined
  if (error.code !== 'RING_DAMAGED' && error.code !== 'RING_ITEM_TOO_LARGE') return undefined
  const { position } = error.details
  return position === undefined ? undefined : parsePosition(position)
}
