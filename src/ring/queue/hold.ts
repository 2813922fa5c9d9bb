import type { Position } from '../../position.ts'
import { channel } from '../../util/diagnostics.ts'
import { itemNumber } from '../shared/position-text.ts'
import type { Consumer } from '../types.ts'
import type { Deliveries, Delivery } from './deliveries.ts'
import { namesOf } from './events.ts'

/** The entries that a reader has delivered and that are still in the ring. */
export interface Unacked {
  /** How many entries. */
  readonly entries: number
  /** How many of them are acknowledged, and wait for one before them or for a write. */
  readonly acknowledged: number
  /** The oldest one that is not acknowledged: it holds back all after it. */
  readonly oldest:
    | {
        /** The position after it. */
        readonly position: Position
        /** Its number; undefined in format 1. */
        readonly number: number | undefined
      }
    | undefined
}

/** Published on `shared-block-ring:held` when a reader has `maxUnacked` entries and waits for an acknowledgement. */
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
  /** How many entries were delivered and are still in the ring. */
  readonly unackedEntries: number
}

const helds = channel('shared-block-ring:held')

/** Keeps a reader from having more than `maxUnacked` entries in the ring, and publishes which entry it waits for. */
export class Hold {
  readonly #consumer: Consumer
  readonly #deliveries: Deliveries
  readonly #maxUnacked: number
  #wasFull = false
  /** The entry that was published last. */
  #published: Delivery | undefined

  constructor(consumer: Consumer, deliveries: Deliveries, maxUnacked: number) {
    this.#consumer = consumer
    this.#deliveries = deliveries
    this.#maxUnacked = maxUnacked
  }

  /** True if no more could be delivered at the last check: then the reader waits for a change. */
  get wasFull(): boolean {
    return this.#wasFull
  }

  /** True if no more may be delivered now. */
  get isFull(): boolean {
    const { size, isRevisiting } = this.#deliveries
    return size >= this.#maxUnacked && !isRevisiting
  }

  get unacked(): Unacked {
    const { size: entries, finished: acknowledged, oldest } = this.#deliveries
    return { entries, acknowledged, oldest: oldest && this.#named(oldest) }
  }

  /** True if no more may be delivered; publishes why, once for each entry that is the cause. */
  check(): boolean {
    const { size, oldest } = this.#deliveries
    this.#wasFull = this.isFull
    if (!this.#wasFull) this.#published = undefined
    else if (oldest !== undefined && oldest !== this.#published) {
      this.#published = oldest
      this.#publish(oldest, size)
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
