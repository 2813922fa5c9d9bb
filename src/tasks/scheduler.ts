import type { Clock } from '../clock.ts'
import { Arrivals } from './arrivals.ts'
import { Fifo } from './fifo.ts'
import type { Turns } from './turns.ts'

/** The source of a task, which is made when its turn comes. */
export interface Arrival {
  /** Its part of `maxHeldBytes`. */
  readonly storedBytes: number
}

/** Something to do, which may take several attempts. */
export interface Task extends Arrival {
  /** Tasks of one key are attempted one after the other, in their order. Undefined: in no order. */
  readonly key: unknown
}

/** The outcome of an attempt. */
export type Verdict<T> =
  /** The task has ended. */
  | undefined
  /** The next attempt comes after a pause. */
  | { readonly againAfterMs: number }
  /** These come in its place, one after the other. */
  | { readonly parts: readonly T[] }

/** The source of a {@link Scheduler}'s tasks, and what attempts them. */
export interface ScheduledWork<T extends Task, A extends Arrival = T> {
  /**
   * The sources of the next tasks, in order, as soon as there is one.
   * @param most how many to take
   * @param stop ends the waiting; a later rejection is ignored
   * @returns nothing if there will be no more, unless running tasks make some
   * @throws what ends the scheduler, once all ready tasks have started
   */
  next(most: number, stop: AbortSignal): Promise<readonly A[]>
  /** Makes a task, not before it can be attempted, so that tasks waiting for their turn take little memory. */
  taskOf(arrival: A): T
  /** Makes an attempt. */
  attempt(task: T): unknown
  /** The outcome of an attempt, from what it returned. An exception here ends the scheduler. */
  conclude(task: T, answer: unknown): Verdict<T>
  /** The same, from what it threw. */
  failed(task: T, error: unknown): Verdict<T>
  /** Called when a burst of conclusions, and of attempts that they made room for, is over and it yields. */
  onRest?(): void
}

/** The limits of a {@link Scheduler}. */
export interface SchedulerLimits {
  /** Attempts at the same time. */
  readonly concurrency: number
  /** Turns shared with other schedulers, which limit their attempts together. Default: no common limit. */
  readonly turns?: Turns | undefined
  /** No more tasks are taken while this many were taken and have not ended. */
  readonly maxHeld: number
  /** No more tasks are taken while those that were taken and have not ended have this many bytes. */
  readonly maxHeldBytes: number
}

/** Callbacks for the answer of an attempt. */
interface Pending<T> {
  task: T | undefined
  readonly answered: (answer: unknown) => void
  readonly failed: (error: unknown) => void
}

/** After this many attempts that ended synchronously, it yields to acknowledgements and other schedulers. */
const BURST = 64
const NO_PARTS: readonly never[] = []

/**
 * Attempts tasks side by side, those of one key in their order, and again after a pause if an attempt failed.
 *
 * ```
 *   next -> arrivals -> ready ------> attempt -> ended
 *                    \   ^    ^          |
 *                     v  |    |          v
 *                     lane    +------- paused          a lane: tasks of a key that is under way
 * ```
 *
 * - A paused task takes no turn from others, except those of its key.
 * - The tasks in memory are bounded; no more are taken while enough are ready.
 * - Once it stops, no attempt starts. It waits for running attempts, and for nothing else.
 */
export class Scheduler<T extends Task, A extends Arrival = T> {
  readonly #work: ScheduledWork<T, A>
  readonly #clock: Clock
  readonly #limits: SchedulerLimits
  readonly #arrivals = new Arrivals<A>()
  readonly #ready = new Fifo<T>()
  /** For each key with a task in progress, the tasks that come after it. */
  readonly #lanes = new Map<unknown, Fifo<T>>()
  readonly #paused = new Map<T, () => void>()
  readonly #stop = new AbortController()
  #stopped = false
  #held = 0
  #heldBytes = 0
  /** Running attempts. */
  #attempts = 0
  /** Called when none is running. */
  #onIdle: (() => void) | undefined
  /** Spare callbacks for asynchronous attempts. */
  readonly #pending: Pending<T>[] = []
  #beginsLater = false
  /** True if an arrival goes before ready tasks. */
  #isArrivalNext = false
  #awaitsTurn = false
  /** True if it was given a turn that it has not used yet. */
  #hasTurn = false
  /** Ends the waiting for a change. */
  #onChange: (() => void) | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(work: ScheduledWork<T, A>, clock: Clock, limits: SchedulerLimits) {
    this.#work = work
    this.#clock = clock
    this.#limits = limits
  }

  /** The number of tasks that were taken and have not ended. */
  get held(): number {
    return this.#held
  }

  /** The failure that stopped it, if any: `run` throws it once it ends. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** Aborted once no more attempts start. */
  get stopping(): AbortSignal {
    return this.#stop.signal
  }

  /**
   * Works until there are no more tasks, or until it stops and running attempts have ended.
   * @throws what `next` or an attempt threw
   */
  async run(): Promise<void> {
    try {
      await this.#takeAll()
    } catch (error) {
      if (!this.#stopped) this.fail(error)
    }
    this.stop(undefined)
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
      if (this.#attempts === 0) resolve()
    })
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Stops: no further attempt starts. */
  stop(reason: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stop.abort(reason)
    this.#arrivals.clear()
    this.#ready.clear()
    this.#lanes.clear()
    for (const resume of this.#paused.values()) resume()
    if (this.#awaitsTurn) this.#limits.turns?.withdraw(this.#onTurn)
    if (this.#hasTurn) this.#limits.turns?.give()
    this.#hasTurn = false
    this.notifyChanged()
  }

  /** Stops; `run` throws the error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.stop(error)
  }

  /** Ends the pause of a task. */
  hurry(task: T): void {
    this.#paused.get(task)?.()
  }

  /** Paused tasks, oldest pause first. */
  get paused(): IterableIterator<T> {
    return this.#paused.keys()
  }

  /** For `next` alone: waits until a task has ended or was paused, or it stops. */
  untilChanged(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve
    })
  }

  async #takeAll(): Promise<void> {
    const { concurrency, maxHeld, maxHeldBytes } = this.#limits
    const { signal } = this.#stop
    const enough = Math.max(concurrency, BURST)
    while (!signal.aborted) {
      const room = maxHeld - this.#held
      if (room <= 0 || this.#heldBytes >= maxHeldBytes || this.#waiting >= enough) {
        await this.untilChanged()
        continue
      }
      let arrivals: readonly A[]
      try {
        arrivals = await this.#work.next(room, signal)
      } catch (error) {
        // Tasks taken before it failed are attempted first.
        while (this.#waiting > 0 && !signal.aborted) await this.untilChanged()
        throw error
      }
      if (signal.aborted) return
      if (arrivals.length === 0) {
        if (this.#held === 0) return
        await this.untilChanged()
      }
      this.#held += arrivals.length
      for (const { storedBytes } of arrivals) this.#heldBytes += storedBytes
      this.#arrivals.push(arrivals)
      this.#begin()
    }
  }

  /** The number of tasks that are ready, or have arrived and may be ready. */
  get #waiting(): number {
    return this.#ready.size + this.#arrivals.size
  }

  /** The next one to attempt. Ready and arrived tasks alternate, so neither starves. */
  #next(): T | undefined {
    if (this.#ready.size > 0) {
      const isArrivals = this.#isArrivalNext && this.#arrivals.size > 0
      this.#isArrivalNext = !isArrivals
      if (!isArrivals) return this.#ready.shift()
    }
    return this.#nextArrival() ?? this.#ready.shift()
  }

  /** The next arrival that need not wait for a task of its key. */
  #nextArrival(): T | undefined {
    for (;;) {
      const arrival = this.#arrivals.shift()
      if (arrival === undefined) return undefined
      const task = this.#work.taskOf(arrival)
      if (task.key === undefined || !this.#waitsInLane(task)) return task
    }
  }

  /** Queues a task after another of its key that is in progress, if there is one. Returns whether it did. */
  #waitsInLane(task: T): boolean {
    const lane = this.#lanes.get(task.key)
    if (lane === undefined) this.#lanes.set(task.key, new Fifo())
    else lane.push(task)
    return lane !== undefined
  }

  /** Starts attempts at ready tasks, up to `concurrency`. A synchronous attempt allocates no promise. */
  #begin(): void {
    const { concurrency } = this.#limits
    for (let begun = 0; !this.#stopped && this.#waiting > 0; begun++) {
      if (this.#attempts === concurrency) break
      if (begun === BURST) {
        this.#beginLater()
        break
      }
      if (!this.#takeTurn()) break
      const task = this.#next()
      // Making the task may have stopped it.
      if (task === undefined || this.#stopped) this.#limits.turns?.give()
      else this.#attempt(task)
    }
    this.#work.onRest?.()
    this.notifyChanged()
  }

  #beginLater(): void {
    if (this.#beginsLater) return
    this.#beginsLater = true
    void Promise.resolve().then(() => {
      this.#beginsLater = false
      this.#begin()
    })
  }

  /** Takes a turn for one attempt, if one is free; otherwise attempts start when one is. */
  #takeTurn(): boolean {
    const { turns } = this.#limits
    if (turns === undefined) return true
    if (this.#hasTurn) {
      this.#hasTurn = false
      return true
    }
    if (!this.#awaitsTurn) this.#awaitsTurn = !turns.take(this.#onTurn)
    return !this.#awaitsTurn
  }

  readonly #onTurn = (): void => {
    this.#awaitsTurn = false
    this.#hasTurn = true
    // Not synchronously: the scheduler that gives the turn is in the middle of its own work.
    this.#beginLater()
  }

  #attempt(task: T): void {
    this.#attempts++
    let answer: unknown
    try {
      answer = this.#work.attempt(task)
    } catch (error) {
      this.#conclude(task, undefined, { error })
      return
    }
    if (mayBePromise(answer)) this.#concludeLater(task, answer)
    else this.#conclude(task, answer, undefined)
  }

  /** Waits for an asynchronous attempt. The callbacks are reused, because most attempts end soon. */
  #concludeLater(task: T, answer: unknown): void {
    const pending = this.#pending.pop() ?? this.#newPending()
    pending.task = task
    Promise.resolve(answer).then(pending.answered, pending.failed)
  }

  #newPending(): Pending<T> {
    const taken = (): T => {
      const { task } = pending
      pending.task = undefined
      this.#pending.push(pending)
      return task as T
    }
    const pending: Pending<T> = {
      task: undefined,
      answered: (answer) => {
        this.#conclude(taken(), answer, undefined)
        this.#begin()
      },
      failed: (error) => {
        this.#conclude(taken(), undefined, { error })
        this.#begin()
      },
    }
    return pending
  }

  #conclude(task: T, answer: unknown, failure: { readonly error: unknown } | undefined): void {
    this.#attempts--
    this.#limits.turns?.give()
    try {
      const verdict =
        failure === undefined
          ? this.#work.conclude(task, answer)
          : this.#work.failed(task, failure.error)
      if (!this.#stopped) this.#apply(task, verdict)
    } catch (error) {
      this.fail(error)
    }
    if (this.#attempts === 0) this.#onIdle?.()
  }

  #apply(task: T, verdict: Verdict<T>): void {
    if (verdict === undefined) this.#end(task, NO_PARTS)
    else if ('parts' in verdict) this.#end(task, verdict.parts)
    else this.#pause(task, verdict.againAfterMs)
  }

  #end(task: T, parts: readonly T[]): void {
    this.#held += parts.length - 1
    this.#heldBytes -= task.storedBytes
    for (const part of parts) this.#heldBytes += part.storedBytes
    if (task.key === undefined) for (const part of parts) this.#ready.push(part)
    else this.#nextOf(task.key, parts)
  }

  /** The task of a key has ended: the next of the key is ready. */
  #nextOf(key: unknown, parts: readonly T[]): void {
    const lane = this.#lanes.get(key)
    if (lane === undefined) return
    if (parts.length > 0) lane.unshift(parts)
    const next = lane.shift()
    if (next === undefined) this.#lanes.delete(key)
    else this.#ready.push(next)
  }

  #pause(task: T, ms: number): void {
    const early = new AbortController()
    this.#paused.set(task, () => early.abort())
    const resume = (): void => {
      this.#paused.delete(task)
      if (this.#stopped) return
      this.#ready.push(task)
      this.#begin()
    }
    this.#clock.sleep(ms, early.signal).then(resume, resume)
  }

  /** Makes `next` check again. */
  notifyChanged(): void {
    const onChange = this.#onChange
    this.#onChange = undefined
    onChange?.()
  }
}

function mayBePromise(answer: unknown): boolean {
  return typeof answer === 'object' ? answer !== null : typeof answer === 'function'
}
