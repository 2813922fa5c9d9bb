import type { Position } from '../../position.ts'
import { itemNumber } from '../shared/position-text.ts'
import type { Acknowledger } from './acknowledger.ts'
import type { Delivery } from './deliveries.ts'

/** An item that a `RingReader` delivered. It stays in the ring until it, and all before it, are acknowledged. */
export interface RingEntry<Out = Uint8Array> {
  /** The item, decoded. */
  readonly item: Out
  /** The position after the item. */
  readonly position: Position
  /** Length of the item in the ring, in bytes. */
  readonly storedBytes: number
  /** When the item was pushed, in milliseconds since 1970, by the producer's clock; undefined in format 1, which does not record it. */
  readonly pushedAt: number | undefined
  /**
   * The number of the item in the ring, from 1: how many were pushed up to it, in its epoch and before. If an item was lost with a
   * volatile cache before its push resolved, another one gets its number. Undefined in format 1, which does not count items.
   */
  readonly number: number | undefined
  /**
   * How many items since the previous entry were overwritten, in a ring that overwrites the oldest; absent if none were. After going
   * back, these may be items that were delivered before.
   */
  readonly missed?: number
  /**
   * Acknowledges this entry, in any order: the ring advances past the entries that are acknowledged without a gap, and the writes are
   * shared.
   *
   * - If all entries before it are acknowledged, it resolves when that is durable: the entry does not come again.
   * - Otherwise it resolves immediately, without waiting for other entries. Until those before it are acknowledged, a crash, or closing the
   *   reader, has the next reader deliver the entry again.
   * - With `lazyAck`, it usually resolves immediately in either case; after a crash, entries whose acknowledgement was not written are
   *   delivered again.
   *
   * `RingReader.flush` waits until all that was acknowledged is durable.
   *
   * If it rejects, the entry is not acknowledged; call it again after `BLOCK_READ_ONLY`. With `lazyAck` the entry stays
   * acknowledged, and is written with the next one.
   * @throws {RingError} as `Consumer.advance` does; `RING_CLOSED` once the reader is closed
   */
  readonly ack: () => Promise<void>
}

/** What the ring tells of an item. */
export interface Stamp {
  readonly bytes: number
  readonly pushedAt: number | undefined
  readonly missed: number
}

/** An entry as a reader makes it. */
export class DeliveredEntry<Out> implements RingEntry<Out> {
  readonly item: Out
  readonly position: Position
  readonly storedBytes: number
  readonly pushedAt: number | undefined
  declare readonly missed?: number
  /** A property of its own, so that it can be destructured. */
  readonly ack: () => Promise<void>
  readonly #reader: Acknowledger
  readonly #delivery: Delivery

  constructor(item: Out, stamp: Stamp, delivery: Delivery, reader: Acknowledger) {
    this.item = item
    this.position = delivery.position
    this.storedBytes = stamp.bytes
    this.pushedAt = stamp.pushedAt
    if (stamp.missed > 0) this.missed = stamp.missed
    this.ack = () => reader.acknowledge(delivery)
    this.#reader = reader
    this.#delivery = delivery
  }

  get number(): number | undefined {
    return itemNumber(this.position, this.#reader.format)
  }

  /** What a reader knows of it; undefined if another reader delivered it. */
  deliveryOf(reader: Acknowledger): Delivery | undefined {
    return this.#reader === reader ? this.#delivery : undefined
  }
}
