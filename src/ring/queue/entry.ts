import type { Position } from '../../position.ts'
import { itemNumber } from '../shared/position-text.ts'
import type { Acknowledger } from './acknowledger.ts'
import type { Delivery } from './deliveries.ts'

/** An item that a `RingReader` delivered. It stays in the ring until it and all items before it are acknowledged. */
export interface RingEntry<Out = Uint8Array> {
  /** The item, decoded. */
  readonly item: Out
  /** The position after the item. */
  readonly position: Position
  /** Length of the item in the ring, in bytes. */
  readonly storedBytes: number
  /**
   * Push time, in milliseconds since 1970, by the producer's clock; undefined in format 1, which does not record it.
   */
  readonly pushedAt: number | undefined
  /**
   * The number of the item in the ring, from 1: the count of items pushed up to it, in its epoch and before. If an item
   * is lost with a volatile cache before its push resolved, its number is reused. Undefined in format 1, which does not
   * count items.
   */
  readonly number: number | undefined
  /**
   * The number of items overwritten since the previous entry, in a ring that overwrites the oldest; absent if none
   * were. After going back, these may be items that were delivered before.
   */
  readonly missed?: number
  /**
   * Acknowledges this entry, in any order. The ring advances past the entries that are acknowledged without a gap, and
   * calls share writes.
   *
   * - If all earlier entries are acknowledged, it resolves when that is durable: the entry is never delivered again.
   * - Otherwise it resolves immediately, without waiting for other entries. Until the earlier ones are acknowledged,
   *   after a crash or a close the next reader delivers the entry again.
   * - With `lazyAck` it usually resolves immediately in both cases. After a crash, entries whose acknowledgement was
   *   not written are delivered again.
   *
   * `RingReader.flush` waits until all acknowledgements are durable.
   *
   * If it rejects, the entry is not acknowledged; call it again after `BLOCK_READ_ONLY`. With `lazyAck` the entry
   * remains acknowledged, and is written with the next one.
   * @throws {RingError} as `Consumer.advance`; `RING_CLOSED` once the reader is closed
   */
  readonly ack: () => Promise<void>
}

/** The properties of an item that the ring records. */
export interface Stamp {
  readonly bytes: number
  readonly pushedAt: number | undefined
  readonly missed: number
}

/** An entry as a reader delivers it. */
export class DeliveredEntry<Out> implements RingEntry<Out> {
  readonly item: Out
  readonly position: Position
  readonly storedBytes: number
  readonly pushedAt: number | undefined
  declare readonly missed?: number
  /** An own property, so that it can be destructured. */
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

  /** The reader's record of this entry; undefined if another reader delivered it. */
  deliveryOf(reader: Acknowledger): Delivery | undefined {
    return this.#reader === reader ? this.#delivery : undefined
  }
}
