import type { Position } from '../../position.ts'
import { channel } from '../../util/diagnostics.ts'
import { itemNumber } from '../shared/position-text.ts'
import type { Consumer } from '../types.ts'
import type { Deliveries, Delivery } from './deliveries.ts'
import { namesOf } from './events.ts'

/** The entries that a reader delivered and that are still in the ring. */
export interface Unacked {
  /** The number of entries. */
  readonly entries: number
  /** The number of them that are acknowledged, and wait for an earlier one or for a write. */
  readonly acknowledged: number
  /** The oldest unacknowledged entry, which holds back all later ones. */
  readonly oldest:
    | {
        /** The position after it. */
        readonly position: Position
        /** Its number; undefined in format 1. */
        readonly number: number | undefined
      }
    | undefined
}

/**
 * Published on `shared-block-ring:held` when a reader has `maxUnacked` entries in the ring and waits for an
 * acknowledgement.
 */
export interface HeldEvent {
  /** The device’s `name`. */
  readonly device: string
  /** The queue’s name, as in `AttachOptions`. */
  readonly queue: string
  /** The program’s name, as in `AttachOptions`. */
  readonly client: string
  /** The position after the entry that holds back all others. */
  readonly position: Position
  /** Its number; undefined in format 1. */
  readonly number: number | undefined
  /** The number of entries delivered and still in the ring. */
  readonly unackedEntries: number
}

const helds = channel('shared-block-ring:held')

/** Limits a reader to `maxUnacked` entries in the ring, and reports the entry that it waits for. */
export class UnackedLimit {
  readonly #consumer: Consumer
  readonly #deliveries: Deliveries
  readonly #maxUnacked: number
  readonly #onHeld: ((unacked: Unacked) => void) | undefined
  #wasFull = false
  /** The entry published last. */
  #published: Delivery | undefined

  /** @param onHeld told of each entry that holds back all others */
  constructor(
    consumer: Consumer,
    deliveries: Deliveries,
    maxUnacked: number,
    onHeld?: (unacked: Unacked) => void,
  ) {
    this.#consumer = consumer
    this.#deliveries = deliveries
    this.#maxUnacked = maxUnacked
    this.#onHeld = onHeld
  }

  /** True if the limit was reached at the last check, so that the reader waits for a change. */
  get wasFull(): boolean {
    return this.#wasFull
  }

  /** True if the limit is reached. */
  get isFull(): boolean {
    const { size, isRevisiting } = this.#deliveries
    return size >= this.#maxUnacked && !isRevisiting
  }

  get unacked(): Unacked {
    const { size: entries, finished: acknowledged, oldest } = this.#deliveries
    return { entries, acknowledged, oldest: oldest && this.#named(oldest) }
  }

  /** True if the limit is reached. Reports the cause, once for each entry that is one. */
  check(): boolean {
    const { size, oldest } = this.#deliveries
    this.#wasFull = this.isFull
    if (!this.#wasFull) this.#published = undefined
    else if (oldest !== undefined && oldest !== this.#published) {
      this.#published = oldest
      this.#publish(oldest, size)
      this.#onHeld?.(this.unacked)
    }
    return this.#wasFull
  }

  #publish(oldest: Delivery, unackedEntries: number): void {
    if (!helds.hasSubscribers) return
    const event = { ...namesOf(this.#consumer), ...this.#named(oldest), unackedEntries }
    helds.publish(event satisfies HeldEvent)
  }

  #named({ position }: Delivery): NonNullable<Unacked['oldest']> {
    return { position, number: itemNumber(position, this.#consumer.format) }
  }
}
