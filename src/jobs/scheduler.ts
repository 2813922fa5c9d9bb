import type { Clock } from '../clock.ts'
import { onAbort } from '../util/abort.ts'
import { Fifo } from './fifo.ts'
import type { Turns } from './turns.ts'

/** Something to do, which may take several attempts. */
export interface Task {
  /** Tasks of one key are attempted one after the other, in their order. Undefined: in no order. */
  readonly key: unknown
  /** How much of `maxHeldBytes` it takes. */
  readonly bytes: number
}

/** What became of an attempt. */
export type Verdict<T> =
  /** The task has ended. */
  | undefined
  /** The next attempt comes after a pause. */
  | { readonly againAfterMs: number }
  /** These come in its place, one after the other. */
  | { readonly parts: readonly T[] }

/** What a {@link Scheduler} works with. */
export interface SchedulerParts<T extends Task> {
  readonly clock: Clock
  /** Attempts at the same time. */
  readonly concurrency: number
  /** Bounds the attempts at the same time beside those of other schedulers. Default: they do not matter. */
  readonly turns?: Turns | undefined
  /** No more tasks are taken while this many were taken and have not ended. */
  readonly maxHeld: number
  /** No more tasks are taken while those that were taken and have not ended have this many bytes. */
  readonly maxHeldBytes: number
  /**
   * The next tasks, in their order, as soon as there is one.
   * @param most how many to take
   * @param stop ends the waiting; what it throws after that is ignored
   * @returns none: there will be no more, unless those under way make some
   * @throws what ends the scheduler, once all that is ready has begun
   */
  readonly next: (most: number, stop: AbortSignal) => Promise<readonly T[]>
  /** Makes an attempt. */
  readonly attempt: (task: T) => unknown
  /** Says what became of it, by what it answered. What this throws ends the scheduler. */
  readonly conclude: (task: T, answer: unknown) => Verdict<T>
  /** The same, by what it threw. */
  readonly failed: (task: T, error: unknown) => Verdict<T>
}

/** How many tasks are taken at once, at most. */
const BATCH = 1024

/**
 * Attempts tasks side by side, those of one key in their order, and again after a pause if an attempt failed.
 *
 * ```
 *   next -> ready ------> attempt -> ended
 *        \   ^    ^          |
 *         v  |    |          v
 *         lane    +------- paused          a lane: tasks of a key that is under way
 * ```
 *
 * - A paused task takes no turn from others, except those of its key.
 * - The tasks in memory are bounded; no more are taken while enough are ready.
 * - Once it stops, no attempt starts. It waits for the attempts under way, and for nothing else.
 */
export class Scheduler<T extends Task> {
  readonly #parts: SchedulerParts<T>
  readonly #ready = new Fifo<T>()
  /** Of each key that is under way, the tasks that come after. */
  readonly #lanes = new Map<unknown, Fifo<T>>()
  readonly #paused = new Map<T, () => void>()
  readonly #stop = new AbortController()
  #stopped = false
  #held = 0
  #heldBytes = 0
  /** Tasks that are next, and wait for a turn. */
  #awaitingTurn = 0
  /** Attempts that wait for something to be ready. */
  #idle: (() => void)[] = []
  /** Ends the waiting for a change. */
  #onChange: (() => void) | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(parts: SchedulerParts<T>) {
    this.#parts = parts
  }

  /** How many tasks were taken and have not ended. */
  get held(): number {
    return this.#held
  }

  /** Why it stopped, if something failed: what `run` throws once it ends. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** Aborted once no attempt begins any more. */
  get stopping(): AbortSignal {
    return this.#stop.signal
  }

  /**
   * Works until there are no more tasks, or until it stops and the attempts under way have ended.
   * @throws what `next` or an attempt threw
   */
  async run(): Promise<void> {
    const attempts = Array.from({ length: this.#parts.concurrency }, () => this.#attempts())
    try {
      await this.#takeAll()
    } catch (error) {
      if (!this.#stopped) this.fail(error)
    }
    this.stop(undefined)
    await Promise.all(attempts)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Stops: no further attempt starts. */
  stop(reason: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stop.abort(reason)
    this.#ready.clear()
    this.#lanes.clear()
    for (const resume of this.#paused.values()) resume()
    this.#wakeAll()
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

  /** Tasks that are in a pause, the one that began it first first. */
  get paused(): IterableIterator<T> {
    return this.#paused.keys()
  }

  /** For `next` alone: waits until a task has ended or was paused, or it stops. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve
    })
  }

  /** How many tasks could begin, and have not. */
  get #unbegun(): number {
    return this.#ready.size + this.#awaitingTurn
  }

  async #takeAll(): Promise<void> {
    const { concurrency, next, maxHeld, maxHeldBytes } = this.#parts
    const { signal } = this.#stop
    const enough = Math.max(concurrency, BATCH / 2)
    while (!signal.aborted) {
      const room = maxHeld - this.#held
      if (room <= 0 || this.#heldBytes >= maxHeldBytes || this.#unbegun >= enough) {
        await this.change()
        continue
      }
      let tasks: readonly T[]
      try {
        tasks = await next(Math.min(room, BATCH), signal)
      } catch (error) {
        // What was taken before it failed is attempted first.
        while (this.#unbegun > 0 && !signal.aborted) await this.change()
        throw error
      }
      if (signal.aborted) return
      if (tasks.length === 0) {
        if (this.#held === 0) return
        await this.change()
      }
      for (const task of tasks) this.#add(task)
    }
  }

  #add(task: T): void {
    this.#held++
    this.#heldBytes += task.bytes
    const lane = task.key === undefined ? undefined : this.#lanes.get(task.key)
    if (lane !== undefined) lane.push(task)
    else {
      if (task.key !== undefined) this.#lanes.set(task.key, new Fifo())
      this.#makeReady(task)
    }
  }

  #makeReady(task: T): void {
    this.#ready.push(task)
    this.#idle.pop()?.()
  }

  /** One of the attempts at the same time. */
  async #attempts(): Promise<void> {
    const { attempt, turns } = this.#parts
    while (!this.#stopped) {
      const task = this.#ready.shift()
      if (task === undefined) {
        await new Promise<void>((resolve) => this.#idle.push(resolve))
        continue
      }
      if (turns !== undefined && !(await this.#turn(turns))) return
      if (this.#unbegun === 0) this.changed()
      // No function of its own: a promise more for each task would take as long as all the rest.
      let answer: unknown
      let failure: { readonly error: unknown } | undefined
      try {
        answer = await attempt(task)
      } catch (error) {
        failure = { error }
      }
      turns?.give()
      this.#settle(task, answer, failure)
    }
  }

  /** Waits for a turn; there is none if it stops meanwhile. */
  async #turn(turns: Turns): Promise<boolean> {
    this.#awaitingTurn++
    const hasTurn = await new Promise<boolean>((resolve) => {
      let listening = (): void => undefined
      const onTurn = (): void => {
        listening()
        resolve(true)
      }
      if (turns.take(onTurn)) return resolve(true)
      listening = onAbort(this.#stop.signal, () => {
        turns.withdraw(onTurn)
        resolve(false)
      })
    })
    this.#awaitingTurn--
    if (hasTurn && this.#stopped) turns.give()
    return hasTurn && !this.#stopped
  }

  #settle(task: T, answer: unknown, failure: { readonly error: unknown } | undefined): void {
    const { conclude, failed } = this.#parts
    let verdict: Verdict<T>
    try {
      verdict = failure === undefined ? conclude(task, answer) : failed(task, failure.error)
    } catch (error) {
      this.fail(error)
      return
    }
    if (this.#stopped) return
    if (verdict === undefined) this.#end(task, [])
    else if ('parts' in verdict) this.#end(task, verdict.parts)
    else this.#pause(task, verdict.againAfterMs)
  }

  #end(task: T, parts: readonly T[]): void {
    this.#held += parts.length - 1
    this.#heldBytes -= task.bytes
    for (const part of parts) this.#heldBytes += part.bytes
    if (task.key === undefined) for (const part of parts) this.#makeReady(part)
    else this.#nextOf(task.key, parts)
    this.changed()
  }

  /** The task of a key has ended: the next of the key is ready. */
  #nextOf(key: unknown, parts: readonly T[]): void {
    const lane = this.#lanes.get(key)
    if (lane === undefined) return
    if (parts.length > 0) lane.unshift(parts)
    const next = lane.shift()
    if (next === undefined) this.#lanes.delete(key)
    else this.#makeReady(next)
  }

  #pause(task: T, ms: number): void {
    const { clock } = this.#parts
    const early = new AbortController()
    this.#paused.set(task, () => early.abort())
    this.changed()
    const resume = (): void => {
      this.#paused.delete(task)
      if (!this.#stopped) this.#makeReady(task)
    }
    clock.sleep(ms, early.signal).then(resume, resume)
  }

  /** Says that `next` should look again. */
  changed(): void {
    const changed = this.#onChange
    this.#onChange = undefined
    changed?.()
  }

  #wakeAll(): void {
    for (const wake of this.#idle) wake()
    this.#idle = []
    this.changed()
  }
}
