import type { Position } from '../../position.ts'
import { itemNumber } from '../position-text.ts'
import type { Acknowledger } from './acknowledger.ts'
import type { Delivery } from './deliveries.ts'

/** An item that a `RingReader` delivered: it stays in the ring until it, and all before it, are acknowledged. */
export interface RingEntry<Out = Uint8Array> {
  readonly item: Out
  /** The position after the item. */
  readonly position: Position
  /** When the item was pushed, in milliseconds since 1970, by the producer's clock; undefined in format 1, which does not record it. */
  readonly pushedAt: number | undefined
  /**
   * Which item of the ring it is, from 1: so many were pushed up to it, in its epoch and before. An item that went with a disk's cache
   * before its push resolved gives its number to another one. Undefined in format 1, which does not count items.
   */
  readonly number: number | undefined
  /**
   * How many items since the entry before were overwritten, in a ring that overwrites the oldest; absent if none were. After going back,
   * these may be items that were delivered before.
   */
  readonly missed?: number
  /**
   * Acknowledges this entry, in any order: the ring advances past the entries that are acknowledged without a gap, and the writes are
   * shared.
   *
   * - If all entries before it are acknowledged, it resolves when that is durable: the entry does not come again.
   * - Otherwise it resolves at once, and waits for no other entry. Until those before are acknowledged, a crash, or closing the reader,
   *   has the entry delivered again by the next reader.
   * - With `lazyAck`, it resolves at once in either case, mostly; what was not written before a crash comes again.
   *
   * `RingReader.flush` waits until all that was acknowledged is durable.
   *
   * If it rejects, the entry is as it was; call it again after `BLOCK_READ_ONLY`. With `lazyAck` the entry is acknowledged
   * all the same, and written with the next one.
   * @throws {RingError} as `Consumer.advance` does; `RING_CLOSED` when the reader is closed
   */
  readonly ack: () => Promise<void>
}

/** An entry as a reader makes it. */
export class DeliveredEntry<Out> implements RingEntry<Out> {
  readonly item: Out
  readonly position: Position
  readonly pushedAt: number | undefined
  declare readonly missed?: number
  /** A property of its own, so that it can be taken out of the entry. */
  readonly ack: () => Promise<void>
  readonly #reader: Acknowledger

  constructor(
    item: Out,
    pushedAt: number | undefined,
    missed: number,
    delivery: Delivery,
    reader: Acknowledger,
  ) {
    this.item = item
    this.position = delivery.position
    this.pushedAt = pushedAt
    if (missed > 0) this.missed = missed
    this.ack = () => reader.acknowledge(delivery)
    this.#reader = reader
  }

  get number(): number | undefined {
    return itemNumber(this.position, this.#reader.format)
  }

  /** Whether this reader delivered it. */
  isOf(reader: Acknowledger): boolean {
    return this.#reader === reader
  }
}
