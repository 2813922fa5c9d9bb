import type { PooledBuffer } from '../../block/buffer-pool.ts'
import type { Position } from '../../position.ts'

/** Not acknowledged. */
const PENDING = 0
/** Acknowledged, and its `ack` has resolved, or no caller waits for it. */
const RECORDED = 1
/** Acknowledged, and its `ack` waits for the write. */
const WAITING = 2
/** It has left the ring. */
const GONE = 3

/** An item that was delivered and is still in the ring. */
export interface Delivery {
  /** The position after the item. */
  readonly position: Position
  /** The position at which reading it begins; undefined for bytes between two items that were not delivered. */
  readonly from: Position | undefined
  state: typeof PENDING | typeof RECORDED | typeof WAITING | typeof GONE
  /** The buffers pinned for views of the item. */
  pins: readonly PooledBuffer[] | undefined
  before: Delivery | undefined
  after: Delivery | undefined
}

/**
 * The items that a reader delivered and that are still in the ring, in order, with the state of each. It does no I/O.
 *
 * ```
 *   left the ring   finished, being written    not finished, or after that
 *   --------------+--------------------------+------------------------------+---------> positions
 *                 first                      unfinished        revisit       last
 * ```
 *
 * - Everything before `unfinished` is finished. The ring may advance to `finishedTo`, and never beyond.
 * - A delivery is identified by its position, which includes the epoch: an item of a later epoch with the same number
 *   is another one.
 * - Delivering and acknowledging are O(1) per delivery over its life. Only what is rare scans the list: going back, a
 *   failed write, `flush`, `unacked`, `bytesOf`, and `ackThrough` in format 1.
 * - A delivery that has left the ring has no links, so an entry that a caller keeps does not keep later ones alive.
 */
export class Deliveries {
  #first: Delivery | undefined
  #last: Delivery | undefined
  #unfinished: Delivery | undefined
  /** The next delivery to read again, after the reader went back. */
  #revisit: Delivery | undefined
  #size = 0
  #advancedTo: Position

  /** @param start everything before it has left the ring */
  constructor(start: Position) {
    this.#advancedTo = start
  }

  /** The number of deliveries still in the ring. */
  get size(): number {
    return this.#size
  }

  /** Everything before this position has left the ring, or is about to. */
  get advancedTo(): Position {
    return this.#advancedTo
  }

  /** True if a delivery is finished, and the ring has not advanced past it. */
  isUnwritten({ state }: Delivery): boolean {
    return state === RECORDED || state === WAITING
  }

  /** The number of finished deliveries among these. */
  get finished(): number {
    let count = 0
    for (let at = this.#first; at !== undefined; at = at.after) if (at.state !== PENDING) count++
    return count
  }

  /** The oldest unfinished one. */
  get oldest(): Delivery | undefined {
    return this.#unfinished
  }

  /** The newest finished one, up to a position. */
  newestFinished(upTo: Position | undefined = this.#last?.position): Delivery | undefined {
    let at = this.#last
    while (at !== undefined && upTo !== undefined && (at.state === PENDING || at.position > upTo)) {
      at = at.before
    }
    return at
  }

  /** Everything before this position is finished. */
  get finishedTo(): Position {
    const last = this.#unfinished === undefined ? this.#last : this.#unfinished.before
    return last === undefined || last.position < this.#advancedTo ? this.#advancedTo : last.position
  }

  /** True if something became finished because everything before it left the ring, so that no `ack` writes it. */
  get hasUnwritten(): boolean {
    const first = this.#first
    return first !== undefined && first !== this.#unfinished && first.state === RECORDED
  }

  /** True if the reader went back, and has not yet read everything again. */
  get isRevisiting(): boolean {
    return this.#revisit !== undefined
  }

  /**
   * Passes the item that ends at a position, the next in the ring, if it is finished. Earlier ones that the reader has
   * not met again are no longer in the ring: overwritten, damaged, or lost with a cache.
   * @returns whether it did
   */
  passFinished(position: Position): boolean {
    this.#dropMissed(position, false)
    const revisited = this.#revisit
    if (revisited?.position !== position || revisited.state === PENDING) return false
    this.#revisit = revisited.after
    return true
  }

  /** True if a delivered item ends at a position, or the ring has advanced that far. */
  endsAt(position: Position): boolean {
    let at = this.#first
    while (at !== undefined && at.position < position) at = at.after
    return at?.position === position || position <= this.#advancedTo
  }

  /** The position at which reading the item begins that ends at a position, if it is still in the ring. */
  fromOf(position: Position): Position | undefined {
    let at = this.#first
    while (at !== undefined && at.position < position) at = at.after
    return at?.position === position ? at.from : undefined
  }

  /** Adds the item that ends at a position, after all others. */
  deliver(position: Position, from: Position): Delivery {
    this.#dropMissed(position, false)
    const revisited = this.#revisit
    if (revisited?.position === position) {
      this.#revisit = revisited.after
      return revisited
    }
    const delivery: Delivery = {
      position,
      from,
      state: PENDING,
      pins: undefined,
      before: undefined,
      after: undefined,
    }
    this.#insert(delivery, revisited)
    this.#noteUnfinished(delivery)
    return delivery
  }

  /** Unpins a delivery's views, which may no longer be used. */
  unpin(delivery: Delivery): void {
    const { pins } = delivery
    if (pins === undefined) return
    delivery.pins = undefined
    for (const pin of pins) pin.unpin()
  }

  /** Marks everything before a position as finished that was not read, because it is damaged. */
  skip(position: Position): void {
    if (position <= this.#advancedTo) return
    this.#dropMissed(position, true)
    this.#insert(finishedAt(position), this.#revisit)
  }

  /**
   * Marks a delivery as finished.
   * @returns true if all before it are finished too, so that the ring may advance past it
   */
  finish(delivery: Delivery): boolean {
    if (delivery.state === GONE) return false
    if (delivery.state === PENDING) {
      delivery.state = RECORDED
      if (delivery === this.#unfinished) this.#advanceUnfinished()
    }
    return this.#isInPrefix(delivery)
  }

  /** Marks everything up to a position as finished, including damage that was not delivered. */
  finishThrough(position: Position): void {
    for (let at = this.#unfinished; at !== undefined && at.position <= position; at = at.after) {
      if (at.state === PENDING) at.state = WAITING
    }
    this.#advanceUnfinished()
    if (this.finishedTo < position) this.#insert(finishedAt(position), this.#unfinished)
  }

  /** Records that the delivery's `ack` waits for the write. */
  wait(delivery: Delivery): void {
    if (delivery.state === RECORDED) delivery.state = WAITING
  }

  /**
   * Records that the delivery's `ack` resolves: it remains finished even if a later write fails.
   * @returns false if a failed write has reverted it
   */
  confirm(delivery: Delivery): boolean {
    if (delivery.state === WAITING) delivery.state = RECORDED
    return delivery.state !== PENDING
  }

  /** Reverts the entries that waited for a write up to a position, which failed. */
  revert(to: Position): void {
    for (let at = this.#first; at !== undefined && at.position <= to; at = at.after) {
      if (at.state !== WAITING) continue
      at.state = PENDING
      this.#noteUnfinished(at)
    }
  }

  /** Drops everything up to a position, which has left the ring or is about to. */
  forgetThrough(position: Position): void {
    while (this.#first !== undefined && this.#first.position <= position) this.#remove(this.#first)
    if (position > this.#advancedTo) this.#advancedTo = position
  }

  /** Drops the newest deliveries, whose positions are lost. */
  cut(isLost: (position: Position) => boolean): void {
    while (this.#last !== undefined && isLost(this.#last.position)) this.#remove(this.#last)
  }

  /**
   * Moves the reader to a position.
   * @param all true to deliver finished items after it again, which then have to be acknowledged again
   */
  goTo(position: Position, all: boolean): void {
    let at = this.#first
    while (at !== undefined && at.position <= position) at = at.after
    this.#revisit = at
    if (!all) return
    for (; at !== undefined; at = at.after) {
      if (at.state === RECORDED) at.state = PENDING
      if (at.state === PENDING) this.#noteUnfinished(at)
    }
  }

  #isInPrefix({ position, state }: Delivery): boolean {
    if (state === GONE) return false
    return this.#unfinished === undefined || position < this.#unfinished.position
  }

  #noteUnfinished(delivery: Delivery): void {
    if (this.#unfinished === undefined || delivery.position < this.#unfinished.position) {
      this.#unfinished = delivery
    }
  }

  #advanceUnfinished(): void {
    while (this.#unfinished !== undefined && this.#unfinished.state !== PENDING) {
      this.#unfinished = this.#unfinished.after
    }
  }

  #dropMissed(position: Position, through: boolean): void {
    for (let at = this.#revisit; at !== undefined; at = this.#revisit) {
      if (at.position > position || (at.position === position && !through)) return
      this.#remove(at)
    }
  }

  #insert(delivery: Delivery, after: Delivery | undefined): void {
    const before = after === undefined ? this.#last : after.before
    delivery.before = before
    delivery.after = after
    if (before === undefined) this.#first = delivery
    else before.after = delivery
    if (after === undefined) this.#last = delivery
    else after.before = delivery
    this.#size++
  }

  #remove(delivery: Delivery): void {
    const { before, after, state, pins = [] } = delivery
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    if (this.#revisit === delivery) this.#revisit = after
    delivery.before = undefined
    delivery.after = undefined
    delivery.state = GONE
    if (state === PENDING) {
      // Overwritten, or lost with a cache. Its handler still uses the view, and may never acknowledge the entry.
      delivery.pins = undefined
      for (const pin of pins) pin.giveAway()
    } else this.unpin(delivery)
    this.#size--
    if (this.#unfinished !== delivery) return
    this.#unfinished = after
    this.#advanceUnfinished()
  }
}

function finishedAt(position: Position): Delivery {
  return {
    position,
    from: undefined,
    state: RECORDED,
    pins: undefined,
    before: undefined,
    after: undefined,
  }
}
