import { Violation } from '../runs/violation.ts'

/** An item that a producer pushed, or may have pushed. */
export interface GroupItem {
  readonly text: string
  readonly ring: number
  /** All items of its key, in the order in which they were pushed. `at` is this item's place among them. */
  readonly row: readonly GroupItem[]
  readonly at: number
  committed: boolean
  begun: boolean
  finished: boolean
  /** The ring's count of disturbances when it was finished; -1 if it may be delivered again in any case. */
  finishedAt: number
  /** It and all before it in its ring were acknowledged when the ring moved without a failure. */
  hasLeft: boolean
  /** Who is handling it. */
  handling: Handling | undefined
}

/** A process of a member or a producer, from its beginning to its end. */
export interface ProcessLife {
  readonly name: string
  /** Which of its lives it is, from 1. */
  readonly number: number
  /** True if its process has ended: its rings belong to others now. */
  ended: boolean
}

/** An item that a member is handling: begun, and not acknowledged. */
export interface Handling {
  readonly item: GroupItem
  readonly life: ProcessLife
  running: boolean
}

/** A ring as the oracle knows it. */
interface ModelRing {
  readonly number: number
  holder: ProcessLife | undefined
  /** How many failures excuse items that are delivered again, or were not finished. */
  disturbances: number
  /** Items that its holder has begun and not acknowledged. */
  readonly inHand: Set<Handling>
  /** Its items, in their order. */
  readonly items: GroupItem[]
}

/**
 * Knows who has which ring and what became of each item.
 *
 * - A ring has one holder at a time, and only its holder begins its items.
 * - Items of one key are begun in their order, each once all that were committed before it are finished, one at a time.
 * - A finished item is delivered again only after a failure, or if the ring moved while an earlier one was not
 *   finished. A holder releases a ring only once all items that it began are acknowledged, unless that ring failed.
 */
export class GroupsOracle {
  readonly rings: readonly ModelRing[]
  /** How often a member took a ring. */
  taken = 0
  /** How often a handler succeeded. */
  handled = 0
  readonly #items = new Map<string, GroupItem>()
  readonly #losesAcks: boolean
  readonly #rows = new Map<string, GroupItem[]>()

  /**
   * @param losesAcks whether the last acknowledgements of a member that releases a ring may be lost, because their
   * write may fail
   */
  constructor(rings: number, losesAcks: boolean) {
    this.#losesAcks = losesAcks
    this.rings = Array.from({ length: rings }, (_, number) => {
      return { number, holder: undefined, disturbances: 0, inHand: new Set(), items: [] }
    })
  }

  /** An item is about to be pushed, the next one of its key. */
  push(key: string, ring: number): GroupItem {
    const row = this.#rows.get(key) ?? []
    this.#rows.set(key, row)
    const item: GroupItem = {
      ...{ text: `${key}:${row.length}`, ring, row, at: row.length },
      ...{ committed: false, begun: false, finished: false, finishedAt: 0, hasLeft: false },
      handling: undefined,
    }
    row.push(item)
    this.#ring(ring).items.push(item)
    this.#items.set(item.text, item)
    return item
  }

  /** Items that were committed and are not finished. */
  get unfinished(): readonly GroupItem[] {
    return [...this.#items.values()].filter(({ committed, finished }) => committed && !finished)
  }

  /** Rings of a life. */
  ringsOf(life: ProcessLife): readonly number[] {
    return this.rings.filter(({ holder }) => holder === life).map(({ number }) => number)
  }

  /** A member says that it has a ring. */
  take(life: ProcessLife, ring: number): void {
    const own = this.#ring(ring)
    if (own.holder !== undefined) {
      throw new Violation('two', `${life.name} has ring ${ring}, and ${own.holder.name} has it too`)
    }
    own.holder = life
    this.taken++
  }

  /** A member says that it has released a ring. */
  release(life: ProcessLife, ring: number): void {
    const own = this.#ring(ring)
    if (own.holder !== life) throw new Violation('two', `${life.name} releases ring ${ring}`)
    for (const { item, running } of own.inHand) {
      throw new Violation(
        'moved',
        `${life.name} gives ring ${ring} back with ${item.text} ${running ? 'in a handler' : 'unacknowledged'}`,
      )
    }
    own.holder = undefined
    // A ring advances only without a gap: items finished after one that failed, or that waited for its key, are
    // delivered again.
    let gap = this.#losesAcks
    for (const item of own.items) {
      gap ||= !item.hasLeft && !(item.finished && item.finishedAt === own.disturbances)
      if (gap) item.finishedAt = -1
      else item.hasLeft = true
    }
  }

  /** A ring failed at its holder, or its holder abandons it: the items that it is handling are delivered again. */
  disturb(ring: number): void {
    const own = this.#ring(ring)
    own.disturbances++
    for (const handling of own.inHand) this.#drop(handling)
  }

  /** The process of a member is gone. */
  end(life: ProcessLife): void {
    life.ended = true
    for (const number of this.ringsOf(life)) {
      this.disturb(number)
      const own = this.#ring(number)
      own.holder = undefined
    }
  }

  /** A handler begins; of an item of this ring, if that is known. */
  begin(life: ProcessLife, text: string, ring?: number): Handling {
    const item = this.#items.get(text)
    if (item === undefined || (ring !== undefined && item.ring !== ring)) {
      throw new Violation('invented', `${life.name} has the item ${text} of ring ${ring}`)
    }
    const own = this.#ring(item.ring)
    if (own.holder !== life) {
      throw new Violation(
        'two',
        `${life.name} begins ${text} of ring ${item.ring}, which it has not`,
      )
    }
    this.#checkOrder(item)
    if (item.hasLeft || (item.finished && item.finishedAt === own.disturbances)) {
      throw new Violation('repeated', `${text} comes again, and nothing failed since it was done`)
    }
    if (item.handling !== undefined) {
      throw new Violation('repeated', `${text} comes again while ${item.handling.life.name} has it`)
    }
    item.begun = true
    const handling = { item, life, running: true }
    item.handling = handling
    own.inHand.add(handling)
    return handling
  }

  /** A handler succeeded. */
  finish(handling: Handling): void {
    const { item } = handling
    handling.running = false
    if (item.handling !== handling) return
    this.handled++
    item.finished = true
    item.finishedAt = this.#ring(item.ring).disturbances
  }

  /**
   * An item is no longer being handled: its handler failed and is called again, or it is acknowledged, by the member or
   * by `process`.
   */
  letGo(handling: Handling): void {
    handling.running = false
    if (handling.item.handling === handling) this.#drop(handling)
  }

  #drop(handling: Handling): void {
    this.#ring(handling.item.ring).inHand.delete(handling)
    handling.item.handling = undefined
  }

  #checkOrder({ row, at, text, begun }: GroupItem): void {
    for (const [index, other] of row.entries()) {
      if (index === at) continue
      if (other.handling?.running === true) {
        throw new Violation('order', `${text} begins while ${other.text} is in a handler`)
      }
      if (index < at && other.committed && !other.finished) {
        throw new Violation('order', `${text} begins, and ${other.text} is not finished`)
      }
      if (index > at && other.begun && !begun) {
        throw new Violation('order', `${text} begins for the first time after ${other.text}`)
      }
    }
  }

  #ring(number: number): ModelRing {
    const ring = this.rings[number]
    if (ring === undefined) throw new Violation('invented', `there is no ring ${number}`)
    return ring
  }
}
