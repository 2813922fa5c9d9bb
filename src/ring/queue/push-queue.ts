import { type Clock, systemClock } from '../../clock.ts'
import { RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { onAbort } from '../../util/abort.ts'
import { type Deferred, deferred } from '../../util/deferred.ts'
import { totalBytes } from '../shared/item-limits.ts'
import { areOwn, ItemMemory, type OwnItems, ownItems } from '../shared/own-items.ts'
import type { Pushed } from '../types.ts'
import { type CompletedPushes, writerEvents } from './events.ts'

/** The most items of one commit. */
const COMMIT_ITEMS = 8192

/** Limits of the queue. */
export interface QueueBounds {
  readonly items: number
  readonly bytes: number
}

/** The collaborators that observe a queue. */
export interface QueueHooks {
  /** Times the pushes, if there are subscribers. */
  readonly clock?: Clock
  /** Called with the number of items refused. */
  readonly onOverloaded?: (items: number) => void
}

/**
 * A tick: one turn of the event loop in which calls came. Their common data is computed and kept once, because there
 * may be thousands.
 */
interface Tick {
  readonly startedAt: number
}

/** The number of calls of one tick that a commit completed. */
interface CompletedInTick {
  readonly tick: Tick
  count: number
}

/** The effect of a commit. The calls are those that had subscribers when they were queued. */
export interface CommitDone {
  /** Bytes of the items that became visible. */
  readonly bytes: number
  readonly pushes: readonly CompletedPushes[]
}

/** A call that waits for its items. Calls form a linked list, so that any of them can leave in one step. */
interface Call {
  /** One item without an array: an array would be a fifth of the cost of a push that shares its commit with many. */
  readonly items: Uint8Array | readonly Uint8Array[]
  readonly count: number
  /** The number of items that are in the ring. */
  pushed: number
  /** Bytes of the other items. */
  bytes: number
  readonly signal: AbortSignal | undefined
  /** The tick of the call; undefined without subscribers. */
  readonly tick: Tick | undefined
  readonly pushing: Deferred<Position>
  /** Removes the listener from the signal. */
  unlisten: (() => void) | undefined
  /** True if some of the items are in the current commit. */
  committing: boolean
  before: Call | undefined
  after: Call | undefined
}

/**
 * The queued pushes, in the order of the calls. The cost per item depends neither on the length of the queue nor on the
 * size of its call: a step touches one call, or the calls and items of one commit.
 */
export class PushQueue {
  readonly #bounds: QueueBounds
  readonly #device: string
  readonly #memory: ItemMemory
  readonly #clock: Clock
  readonly #onOverloaded: QueueHooks['onOverloaded']
  /** The current tick, once a call needed it. */
  #tick: Tick | undefined
  #first: Call | undefined
  #last: Call | undefined
  /** Items of all calls that are not in the ring yet. */
  #items = 0
  #bytes = 0
  #abandoned = new AbortController()

  /**
   * @param memory owns the items
   * @param hooks observes the queue
   */
  constructor(
    bounds: QueueBounds,
    device: string,
    memory: ItemMemory = new ItemMemory(),
    hooks: QueueHooks = {},
  ) {
    this.#memory = memory
    this.#clock = hooks.clock ?? systemClock
    this.#onOverloaded = hooks.onOverloaded
    this.#bounds = bounds
    this.#device = device
  }

  get bytes(): number {
    return this.#bytes
  }

  get empty(): boolean {
    return this.#first === undefined
  }

  /**
   * Adds the items of one call, whose bytes no other code changes. Resolves with the position after the last of them,
   * once they are visible; rejects with the signal's reason, unless some of the items are being written.
   * @throws {RingError} `RING_OVERLOADED`, immediately
   * @throws the signal's reason, immediately
   */
  add(items: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<Position> {
    return this.#add(items, items.length, totalBytes(items), signal)
  }

  /** As `add`, for one item. */
  addOne(item: Uint8Array, signal: AbortSignal | undefined): Promise<Position> {
    return this.#add(item, 1, item.length, signal)
  }

  #add(
    items: Call['items'],
    count: number,
    bytes: number,
    signal: AbortSignal | undefined,
  ): Promise<Position> {
    signal?.throwIfAborted()
    this.#checkRoom(count, bytes)
    this.#items += count
    this.#bytes += bytes
    const call: Call = {
      items,
      count,
      pushed: 0,
      bytes,
      signal,
      tick: writerEvents.hasSubscribers ? (this.#tick ?? this.#newTick()) : undefined,
      pushing: deferred(),
      unlisten: undefined,
      committing: false,
      before: this.#last,
      after: undefined,
    }
    if (this.#last === undefined) this.#first = call
    else this.#last.after = call
    this.#last = call
    if (signal !== undefined) call.unlisten = onAbort(signal, () => this.#abort(call))
    return call.pushing.promise
  }

  #newTick(): Tick {
    const tick = { startedAt: this.#clock.now() }
    this.#tick = tick
    queueMicrotask(() => {
      this.#tick = undefined
    })
    return tick
  }

  /** Aborted when no caller waits for the current commit any longer, so that its unwritten part can be dropped. */
  get abandoned(): AbortSignal {
    return this.#abandoned.signal
  }

  /** Abandons the current commit, for which no caller waits. */
  abandon(reason: unknown): void {
    this.#abandoned.abort(reason)
  }

  /** The items of the next commit, which lasts until `committed`. */
  next(): OwnItems {
    if (this.#abandoned.signal.aborted) this.#abandoned = new AbortController()
    const [first, isOnly] = [this.#first, this.#first === this.#last]
    if (isOnly && first?.pushed === 0 && first.count <= COMMIT_ITEMS && areOwn(first.items)) {
      first.committing = true
      return first.items
    }
    const batch = ownItems()
    for (let call = this.#first; call !== undefined && batch.length < COMMIT_ITEMS; ) {
      const { items, pushed, count } = call
      const end = Math.min(count, pushed + COMMIT_ITEMS - batch.length)
      if (items instanceof Uint8Array) batch.push(items)
      else for (let at = pushed; at < end; at++) batch.push(items[at] as Uint8Array)
      call.committing = true
      call = call.after
    }
    return batch
  }

  /**
   * Ends the commit: some leading items became visible, perhaps none.
   * @param current the position after everything ever pushed
   */
  committed(pushed: Pushed | undefined, current: Position): CommitDone {
    const ticks: CompletedInTick[] = []
    let latest: CompletedInTick | undefined
    let bytes = 0
    const count = pushed?.pushed ?? 0
    let positions: readonly Position[] | undefined
    let at = 0
    for (;;) {
      const call = this.#first
      if (call?.committing !== true) break
      const left = call.count - call.pushed
      if (left > count - at) {
        bytes += this.#pushedSome(call, count - at)
        break
      }
      at += left
      bytes += call.bytes
      this.#remove(call)
      this.#memory.release(call.items)
      const { tick } = call
      if (tick !== undefined) {
        if (tick !== latest?.tick) {
          latest = { tick, count: 0 }
          ticks.push(latest)
        }
        latest.count++
      }
      if (at < count) positions ??= pushed?.positions
      call.pushing.resolve((at === count ? pushed?.position : positions?.[at - 1]) ?? current)
    }
    this.#endCommit()
    const now = latest === undefined ? 0 : this.#clock.now()
    const pushes = ticks.map(({ tick, count }) => ({ count, waitedMs: now - tick.startedAt }))
    return { bytes, pushes }
  }

  /**
   * Rejects all calls.
   * @returns how many
   */
  rejectAll(reason: unknown): number {
    let calls = 0
    for (; this.#first !== undefined; calls++) this.#reject(this.#first, reason)
    return calls
  }

  /** Returns calls with unwritten items to the queue for the next commit, except those whose signal was aborted. */
  #endCommit(): void {
    for (let call = this.#first; call?.committing === true; call = call.after) {
      call.committing = false
      if (call.signal?.aborted === true) this.#abort(call)
    }
  }

  #abort(call: Call): void {
    if (!call.committing) this.#reject(call, call.signal?.reason)
    else if (!this.#isAwaited()) this.abandon(call.signal?.reason)
  }

  /** True if any call waits for the current commit. */
  #isAwaited(): boolean {
    if (this.#abandoned.signal.aborted) return false
    for (let call = this.#first; call?.committing === true; call = call.after) {
      if (call.signal?.aborted !== true) return true
    }
    return false
  }

  #reject(call: Call, reason: unknown): void {
    this.#remove(call)
    call.pushing.reject(reason)
  }

  #remove(call: Call): void {
    const { before, after } = call
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    this.#items -= call.count - call.pushed
    this.#bytes -= call.bytes
    call.unlisten?.()
  }

  /**
   * Records that some of a call's items are in the ring, but not all.
   * @returns their bytes
   */
  #pushedSome(call: Call, count: number): number {
    const { items, pushed } = call
    const bytes = items instanceof Uint8Array ? 0 : totalBytes(items.slice(pushed, pushed + count))
    call.pushed += count
    call.bytes -= bytes
    this.#items -= count
    this.#bytes -= bytes
    return bytes
  }

  #checkRoom(moreItems: number, moreBytes: number): void {
    const items = this.#items + moreItems
    const bytes = this.#bytes + moreBytes
    if (!this.empty && (items > this.#bounds.items || bytes > this.#bounds.bytes)) {
      this.#onOverloaded?.(moreItems)
      const expected = `at most ${this.#bounds.items} items and ${this.#bounds.bytes} bytes`
      const found = `${items} items and ${bytes} bytes`
      throw new RingError(
        'RING_OVERLOADED',
        `The queue of pushes to ${this.#device} is full: expected ${expected}, ` +
          `found ${found}; await some pushes before the next one`,
        { device: this.#device, expected, found },
      )
    }
  }
}
