import { isRingError } from '../../errors.ts'
import type { Followed, FollowOptions, RingFollower } from '../inspection.ts'
import { parsePosition } from '../shared/position-text.ts'
import { BOUND_KINDS, popBounds } from '../shared/single-item.ts'
import type { Control } from './control.ts'
import { RecordReader } from './reader.ts'

/**
 * Reads records from an offset on as they are committed, without a role. Records have no checksum, so one counts only
 * if the consumer's pointer has not passed it after it was read: acknowledged records may be overwritten.
 */
export class Follower implements RingFollower {
  readonly #control: Control
  readonly #reader: RecordReader
  readonly #signal: AbortSignal | undefined
  #at: bigint

  constructor(
    control: Control,
    from: bigint,
    maxItemBytes: number | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#control = control
    this.#reader = new RecordReader(control.device, control.layout, maxItemBytes)
    this.#signal = signal
    this.#at = from
  }

  async read(options: FollowOptions = {}): Promise<Followed> {
    const { maxItems, maxBytes } = popBounds(options, 'RingFollower.read', BOUND_KINDS)
    const { signal = this.#signal } = options
    signal?.throwIfAborted()
    const { producer } = await this.#control.refresh()
    if (producer.offset < this.#at) {
      // Drops records that were lost with a cache.
      this.#reader.forget()
      this.#at = producer.offset
    }
    const read = await this.#records(producer.offset, maxItems, maxBytes)
    const { consumer } = await this.#control.refresh()
    if (consumer.offset > this.#at) {
      const missedBytes = Number(consumer.offset - this.#at)
      this.#reader.forget()
      this.#at = consumer.offset
      return { items: [], missedBytes }
    }
    if (read instanceof Error) {
      const { position } = read.details
      if (read.code === 'RING_ITEM_TOO_LARGE' && position !== undefined) {
        this.#at = parsePosition(position)
      }
      throw read
    }
    this.#at = read.at(-1)?.position ?? this.#at
    return { items: read, missedBytes: 0 }
  }

  /** The next records; or the problem of the first one, if it is still there. */
  async #records(producer: bigint, maxItems: number, maxBytes: number) {
    try {
      return await this.#reader.readMany(this.#at, producer, maxItems, maxBytes)
    } catch (error) {
      if (isRingError(error)) return error
      throw error
    }
  }
}
