import type { Consumer } from '../../ring/access/attach.ts'
import { popTimed, type TimedItems } from '../../ring/maintenance/item-times.ts'
import { skipDamageOf } from '../../ring/shared/damage.ts'
import { safeJson } from '../../text/render.ts'
import { itemFields } from '../output/items.ts'
import { LossNotices } from '../output/loss-notices.ts'
import type { Output } from '../output/output.ts'
import type { Pusher } from './pusher.ts'

/** The most items per pop. */
const BATCH_ITEMS = 1000

/** Flags of `move`. */
export interface MoveFlags {
  /** The number of items; 1 by default. */
  readonly count?: number
  readonly skipDamage?: boolean
  readonly json?: boolean
}

/** Takes items from one ring, and acknowledges each once another ring has it. */
export class Mover {
  readonly #consumer: Consumer
  readonly #flags: MoveFlags
  readonly #output: Output
  readonly #signal: AbortSignal
  readonly #losses: LossNotices
  #moved = 0
  #bytes = 0

  constructor(consumer: Consumer, flags: MoveFlags, output: Output, signal: AbortSignal) {
    this.#consumer = consumer
    this.#flags = flags
    this.#output = output
    this.#signal = signal
    this.#losses = new LossNotices(consumer.device.name, flags.json === true)
  }

  /** Items that are in the other ring, and no longer in this one. */
  get moved(): number {
    return this.#moved
  }

  /** Bytes of these. */
  get bytes(): number {
    return this.#bytes
  }

  /** The next items to move; none if there are no more, or enough were moved. */
  async next(): Promise<readonly TimedItems[]> {
    const { count = 1, skipDamage } = this.#flags
    const maxItems = Math.min(BATCH_ITEMS, count - this.#moved)
    while (maxItems > 0) {
      this.#signal.throwIfAborted()
      try {
        return await popTimed(this.#consumer, { maxItems, signal: this.#signal })
      } catch (error) {
        if (skipDamage !== true) throw error
        const damage = skipDamageOf(error)
        this.#losses.damaged(damage)
        await this.#consumer.advance(damage.position)
      }
    }
    return []
  }

  /** Pushes items, and acknowledges those that the other ring accepted, even if it accepted only some. */
  async move({ items, time }: TimedItems, pusher: Pusher): Promise<void> {
    const before = pusher.pushed
    try {
      await pusher.push(
        items.map(({ item }) => item),
        time,
      )
    } finally {
      await this.#acknowledge(items.slice(0, pusher.pushed - before))
    }
  }

  async #acknowledge(items: TimedItems['items']): Promise<void> {
    const last = items.at(-1)
    if (last === undefined) return
    await this.#consumer.advance(last.position)
    this.#moved += items.length
    for (const { item, missed = 0 } of items) {
      this.#bytes += item.length
      this.#losses.missed(missed)
    }
    if (this.#flags.json !== true) return
    const { format } = this.#consumer
    const lines = items.map(
      ({ item, ...place }) => `${safeJson({ ...itemFields(place, format), bytes: item.length })}\n`,
    )
    await this.#output.write(lines.join(''))
  }

  /** Reports how many items were lost in all. */
  end(): void {
    this.#losses.sum()
  }
}
