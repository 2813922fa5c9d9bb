import type { Clock } from '../../clock.ts'
import type { Position } from '../../position.ts'
import { untilAborted } from '../../util/abort.ts'
import { deferred } from '../../util/deferred.ts'
import { Serial } from '../../util/serial.ts'
import type { QueueConsumer } from '../format.ts'
import { isRefusal, mayRecover } from '../shared/base-role.ts'
import { formatPosition } from '../shared/position-text.ts'
import type { Deliveries, Delivery } from './deliveries.ts'
import { type ReaderEvent, readerEvents } from './events.ts'
import type { LazyAckOptions } from './lazy-ack-options.ts'
import type { LazyAcknowledgements } from './lazy-acknowledgements.ts'

/** Options of an `Acknowledger`. */
export interface AcknowledgerOptions {
  readonly clock: Clock
  /** Delays writes. Its class is loaded only for readers with `lazyAck`. */
  readonly lazily:
    | { readonly when: LazyAckOptions; readonly Lazy: typeof LazyAcknowledgements }
    | undefined
  /** Aborted when the reader is closed, with the error that rejects all later calls. */
  readonly closing: AbortSignal
  /** Called when entries have left the ring, their acknowledgement was reverted, or the reader went back. */
  readonly onChange: () => void
}

/**
 * Acknowledges the entries that a reader delivered, in any order. The ring advances past the entries that are finished
 * without a gap.
 *
 * - At most one write is in progress and one is queued. All calls made before the queued write starts share it.
 * - If a write fails, none of its entries is acknowledged, and its calls reject. With `lazyAck` the entries remain
 *   acknowledged, and the next write includes them.
 * - Acknowledgements that bypass the reader, through the consumer, count too.
 */
export class Acknowledger {
  readonly format: 1 | 2
  readonly #consumer: QueueConsumer
  readonly #deliveries: Deliveries
  readonly #closing: AbortSignal
  readonly #clock: Clock
  readonly #lazy: LazyAcknowledgements | undefined
  readonly #advancing = new Serial()
  /** The queued write. */
  #write: Promise<void> | undefined
  /** The failure that made the consumer unusable, if a write failed for good. */
  #ended: { readonly reason: unknown } | undefined
  readonly #onChange: Set<() => void>
  /** Entries that have left the ring, or are about to, since the last write was published. */
  #leftEntries = 0

  constructor(consumer: QueueConsumer, deliveries: Deliveries, options: AcknowledgerOptions) {
    const { clock, lazily, closing, onChange } = options
    this.format = consumer.format
    this.#consumer = consumer
    this.#deliveries = deliveries
    this.#closing = closing
    this.#clock = clock
    this.#onChange = new Set([onChange])
    if (lazily === undefined) return
    const write = (to: Position): Promise<void> =>
      this.#advancing.run(async () => {
        const startedAt = this.#startedAt()
        await this.#advance(to)
        this.#publishAcknowledged(to, startedAt)
      })
    const later = (error: unknown): boolean => mayRecover(error, consumer)
    this.#lazy = new lazily.Lazy(lazily.when, clock, closing, write, later)
  }

  /** True if a write failed for good, so that nothing more is acknowledged. */
  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  /** As `RingEntry.ack`. */
  async acknowledge(delivery: Delivery): Promise<void> {
    this.#closing.throwIfAborted()
    // Repeats if the failed write of another call has reverted this entry too.
    do {
      if (!this.#finish(delivery)) {
        this.#deliveries.unpin(delivery)
        // If an overwritten entry has left the ring, those that waited for it are written now.
        return this.writeUnwritten()
      }
      if (this.#lazy !== undefined) return this.#writeLater(this.#lazy)
      this.#deliveries.wait(delivery)
      await this.#writeFinished()
    } while (!this.#deliveries.confirm(delivery))
  }

  /** As `RingReader.ackAll`. */
  async acknowledgeAll(deliveries: readonly Delivery[]): Promise<void> {
    this.#closing.throwIfAborted()
    for (let rest = deliveries; rest.length > 0; ) {
      const leading = this.#finishAll(rest)
      if (leading.length === 0) return this.writeUnwritten()
      if (this.#lazy !== undefined) return this.#writeLater(this.#lazy)
      for (const delivery of leading) this.#deliveries.wait(delivery)
      await this.#writeFinished()
      // Repeats if the failed write of another call has reverted some of them.
      rest = leading.filter((delivery) => !this.#deliveries.confirm(delivery))
    }
  }

  /**
   * As `RingReader.ackThrough`, for the position of a delivered entry.
   * @throws {RangeError} no delivered item ends there
   */
  async acknowledgeThrough(position: Position): Promise<void> {
    const deliveries = this.#deliveries
    // Positions of format 1 are bytes. The device does not show if one lies between two items.
    if (this.format === 1 && !deliveries.endsAt(position)) {
      const text = formatPosition(position, this.format)
      throw new RangeError(`no item that was delivered ends at position ${text}`)
    }
    if (this.#lazy !== undefined && !this.#closing.aborted) {
      deliveries.finishThrough(position)
      return this.#writeLater(this.#lazy)
    }
    do {
      deliveries.finishThrough(position)
      await this.#writeFinished()
    } while (deliveries.finishedTo < position)
  }

  /** As `RingReader.flush`. */
  async flush(signal: AbortSignal | undefined): Promise<void> {
    const deliveries = this.#deliveries
    this.catchUp()
    for (let newest = deliveries.newestFinished(); newest !== undefined; ) {
      // If it has left the ring or was reverted, an earlier entry may still be unacknowledged.
      if (!deliveries.isUnwritten(newest)) newest = deliveries.newestFinished(newest.position)
      else if (deliveries.hasUnwritten) await this.#writeFinished()
      else await this.#untilChanged(signal)
    }
    await this.flushPrefix()
  }

  /** As `RingReader.flush`, without waiting for entries. */
  async flushPrefix(): Promise<void> {
    if (this.#deliveries.hasUnwritten) await this.#writeFinished()
    await (this.#lazy?.flush() ?? this.#advancing.run(async () => undefined))
  }

  /** Writes finished entries that no call waits for. A device that refuses writes at present can still be read. */
  async writeUnwritten(): Promise<void> {
    try {
      if (this.#deliveries.hasUnwritten) await this.#writeFinished()
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
  }

  /** Writes finished entries. The next reader gets the others again. Never fails. */
  async close(): Promise<void> {
    // Includes the queued write of a call, which the consumer would refuse once it is closed.
    if (this.#write !== undefined || this.#deliveries.hasUnwritten) {
      await this.#writeFinished().catch(() => undefined)
    }
    await this.#lazy?.flush().catch(() => undefined)
  }

  /** Drops the entries that have left the ring, whichever write moved the cursor. */
  catchUp(): void {
    const { position } = this.#consumer
    if (this.isBefore(this.#deliveries.advancedTo, position)) this.#forgetThrough(position)
  }

  /**
   * Subscribes to changes: entries have left the ring, their acknowledgement was reverted, or the reader went back.
   * @returns a function that ends the subscription
   */
  watch(onChange: () => void): () => void {
    this.#onChange.add(onChange)
    return () => void this.#onChange.delete(onChange)
  }

  /** Wakes all callers that wait for a change. */
  notifyChanged(): void {
    for (const wake of this.#onChange) wake()
  }

  /** As of {@link QueueConsumer}. */
  isBefore(one: Position, other: Position): boolean {
    return one !== other && this.#consumer.isBefore(one, other)
  }

  /** True if an item that ends at a position has left the ring. */
  hasLeft(position: Position): boolean {
    const { advancedTo } = this.#deliveries
    return position <= advancedTo && !this.isBefore(advancedTo, position)
  }

  /** @returns true if the ring may advance past it */
  #finish(delivery: Delivery): boolean {
    if (this.#deliveries.finish(delivery)) return true
    this.catchUp()
    return this.#deliveries.finish(delivery)
  }

  /** @returns the deliveries past which the ring may advance */
  #finishAll(all: readonly Delivery[]): readonly Delivery[] {
    const deliveries = this.#deliveries
    // In the order of delivery, none of them has an unfinished one before it.
    let leads = true
    for (const delivery of all) leads = deliveries.finish(delivery) && leads
    if (leads) return all
    this.catchUp()
    return all.filter((delivery) => {
      if (deliveries.finish(delivery)) return true
      deliveries.unpin(delivery)
      return false
    })
  }

  /** Writes finished entries in its turn. Calls until then share the write. */
  #writeFinished(): Promise<void> {
    this.#write ??= this.#advancing.run(async () => {
      this.#write = undefined
      const to = this.#deliveries.finishedTo
      const startedAt = this.#startedAt()
      try {
        await this.#advance(to)
      } catch (error) {
        this.#deliveries.revert(to)
        this.notifyChanged()
        throw error
      }
      this.#forgetThrough(to)
      this.#publishAcknowledged(to, startedAt)
    })
    return this.#write
  }

  #writeLater(lazy: LazyAcknowledgements): Promise<void> {
    const to = this.#deliveries.finishedTo
    this.#forgetThrough(to)
    return lazy.add(to)
  }

  async #advance(to: Position): Promise<void> {
    try {
      await this.#consumer.advance(to)
    } catch (error) {
      if (!mayRecover(error, this.#consumer)) {
        this.#ended ??= { reason: error }
        this.notifyChanged()
      }
      throw error
    }
  }

  /** The start time of a write; undefined without subscribers. */
  #startedAt(): number | undefined {
    return readerEvents.hasSubscribers ? this.#clock.now() : undefined
  }

  /** Publishes a write. */
  #publishAcknowledged(position: Position, startedAt: number | undefined): void {
    const count = this.#leftEntries
    this.#leftEntries = 0
    if (startedAt === undefined) return
    const durationMs = this.#clock.now() - startedAt
    const { size: unackedEntries } = this.#deliveries
    const { device, queue, client } = this.#consumer
    const event: ReaderEvent = {
      device: device.name,
      queue,
      client,
      event: 'acknowledged',
      count,
      position,
      durationMs,
      unackedEntries,
    }
    readerEvents.publish(event)
  }

  #forgetThrough(position: Position): void {
    const before = this.#deliveries.size
    this.#deliveries.forgetThrough(position)
    this.#leftEntries += before - this.#deliveries.size
    this.notifyChanged()
  }

  /** Waits until an entry leaves the ring or is reverted. */
  async #untilChanged(signal: AbortSignal | undefined): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended.reason
    const next = deferred<void>()
    const unwatch = this.watch(next.resolve)
    try {
      await untilAborted(next.promise, signal, this.#closing)
    } finally {
      unwatch()
    }
  }
}
