import type { Clock } from '../../../clock.ts'
import type { Position } from '../../../position.ts'
import type { ItemTask } from './task.ts'
import type { EncodedSink } from './types.ts'

/** The reason why an item was not requeued. */
class NoRoom extends Error {}

/**
 * Moves items that block all others to the end of their own ring.
 *
 * - It moves one at a time, and only the oldest unacknowledged item: moving another one frees nothing.
 * - During a move nothing may be read: until its new position is known, its copy would pass for a new item.
 * - Without room the item stays: the items that it blocks may be the ones that fill the ring.
 */
export class Requeuer<Out> {
  readonly #sink: EncodedSink | undefined
  readonly #clock: Clock
  /** The longest wait for room, in milliseconds. */
  readonly #waitMs: number
  /** Attempts at moved items, by their new position. */
  readonly #attempts = new Map<Position, number>()
  #isMoving = false
  #pushed: Promise<unknown> = Promise.resolve()

  constructor(sink: EncodedSink | undefined, clock: Clock, waitMs: number) {
    this.#sink = sink
    this.#clock = clock
    this.#waitMs = waitMs
  }

  /** True if an item is being moved. */
  get isMoving(): boolean {
    return this.#isMoving
  }

  /** Settles when the last push has, with either result. */
  get pushed(): Promise<unknown> {
    return this.#pushed
  }

  /** The attempts at an item that was moved to this position, if any. Returned once. */
  takeAttempts(position: Position): number | undefined {
    if (this.#attempts.size === 0) return undefined
    const attempts = this.#attempts.get(position)
    if (attempts !== undefined) this.#attempts.delete(position)
    return attempts
  }

  /** Chooses and marks the task to move, among those that wait for their next attempt. */
  choose(paused: Iterable<ItemTask<Out>>, oldest: Position | undefined): ItemTask<Out> | undefined {
    if (this.#sink === undefined) return undefined
    let chosen: ItemTask<Out> | undefined
    for (const task of paused) if (task.entry.position === oldest) chosen = task
    // Behind other items of its key it would be out of order.
    if (chosen?.next !== 'handle' || chosen.key !== undefined) return undefined
    // After a move without room, the item is attempted again before the next move.
    if (chosen.attempts === chosen.requeuedAfter) return undefined
    this.#isMoving = true
    chosen.next = 'requeue'
    chosen.requeuedAfter = chosen.attempts
    return chosen
  }

  /** Records that the move of the chosen task has ended. */
  end(): void {
    this.#isMoving = false
  }

  /**
   * Pushes an item's bytes.
   * @returns its new position; undefined if there was no room in time, or `over` was aborted
   * @throws the error of the sink
   */
  async push(
    bytes: Uint8Array,
    attempts: number,
    over: AbortSignal,
  ): Promise<Position | undefined> {
    const late = new AbortController()
    const signal = AbortSignal.any([late.signal, over])
    const pushed = Promise.resolve(this.#sink?.pushEncoded(bytes, { signal }))
    this.#pushed = pushed.catch(() => undefined)
    this.#clock.sleep(this.#waitMs, late.signal).then(
      () => late.abort(new NoRoom()),
      () => undefined,
    )
    let position: Position | undefined
    try {
      position = await pushed
    } catch (cause) {
      if (!(cause instanceof NoRoom || over.aborted)) throw cause
    } finally {
      late.abort()
    }
    if (over.aborted || position === undefined) return undefined
    this.#attempts.set(position, attempts)
    return position
  }
}
