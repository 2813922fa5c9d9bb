import type { Clock } from '../clock.ts'
import { onAbort } from '../util/abort.ts'
import { Fifo } from './fifo.ts'
import type { Turns } from './turns.ts'

/** Something to do, which may take several attempts. */
export interface Job {
  /** Jobs of one key are attempted one after the other, in their order. Undefined: in no order. */
  readonly key: unknown
  /** How much of `maxHeldBytes` it takes. */
  readonly bytes: number
}

/** What became of an attempt. */
export type Verdict<J> =
  /** The job has ended. */
  | undefined
  /** The next attempt comes after a pause. */
  | { readonly againAfterMs: number }
  /** These come in its place, one after the other. */
  | { readonly parts: readonly J[] }

/** What a {@link Scheduler} works with. */
export interface SchedulerParts<J extends Job> {
  readonly clock: Clock
  /** Attempts at the same time. */
  readonly concurrency: number
  /** Bounds the attempts at the same time beside those of other schedulers. Default: they do not matter. */
  readonly turns?: Turns | undefined
  /** The next jobs are taken only while fewer than this many were taken and have not ended, */
  readonly maxHeld: number
  /** and while these have fewer bytes. */
  readonly maxHeldBytes: number
  /**
   * The next jobs, in their order, as soon as there is one.
   * @param most how many to take
   * @param stop ends the waiting; what it throws after that is ignored
   * @returns none: there will be no more, unless those under way make some
   * @throws what ends the scheduler, once all that is ready has begun
   */
  readonly next: (most: number, stop: AbortSignal) => Promise<readonly J[]>
  /** Makes an attempt. */
  readonly attempt: (job: J) => unknown
  /** Says what became of it, by what it answered. What this throws ends the scheduler. */
  readonly conclude: (job: J, answer: unknown) => Verdict<J>
  /** The same, by what it threw. */
  readonly failed: (job: J, error: unknown) => Verdict<J>
}

/** How many jobs are taken at once, at most. */
const BATCH = 1024

/**
 * Has jobs attempted side by side, those of one key in their order, and again after a pause if an attempt failed.
 *
 * ```
 *   next -> ready ------> attempt -> ended
 *        \   ^    ^          |
 *         v  |    |          v
 *         lane    +------- paused          a lane: jobs of a key that is under way
 * ```
 *
 * - A job that is paused takes no turn from others, but for those of its key.
 * - What is held is bounded; no more is taken while enough is ready.
 * - Once it stops, no attempt begins. It waits for those under way, and for nothing else.
 */
export class Scheduler<J extends Job> {
  readonly #parts: SchedulerParts<J>
  readonly #ready = new Fifo<J>()
  /** Of each key that is under way, the jobs that come after. */
  readonly #lanes = new Map<unknown, Fifo<J>>()
  readonly #paused = new Map<J, () => void>()
  readonly #stop = new AbortController()
  #stopped = false
  #held = 0
  #heldBytes = 0
  /** Attempts that wait for something to be ready. */
  #idle: (() => void)[] = []
  /** Ends the waiting for a change. */
  #onChange: (() => void) | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(parts: SchedulerParts<J>) {
    this.#parts = parts
  }

  /** How many jobs were taken and have not ended. */
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
   * Works until there are no more jobs, or until it stops and the attempts under way have ended.
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

  /** Has no more attempts begin. */
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

  /** Ends the pause of a job. */
  hurry(job: J): void {
    this.#paused.get(job)?.()
  }

  /** Jobs that are in a pause, the one that began it first first. */
  get paused(): IterableIterator<J> {
    return this.#paused.keys()
  }

  /** For `next` alone: waits until a job has ended or was paused, or it stops. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve
    })
  }

  async #takeAll(): Promise<void> {
    const { concurrency, next, maxHeld, maxHeldBytes } = this.#parts
    const { signal } = this.#stop
    const enough = Math.max(concurrency, BATCH / 2)
    while (!signal.aborted) {
      const room = maxHeld - this.#held
      if (room <= 0 || this.#heldBytes >= maxHeldBytes || this.#ready.size >= enough) {
        await this.change()
        continue
      }
      let jobs: readonly J[]
      try {
        jobs = await next(Math.min(room, BATCH), signal)
      } catch (error) {
        // What was taken before it failed is attempted first.
        while (this.#ready.size > 0 && !signal.aborted) await this.change()
        throw error
      }
      if (signal.aborted) return
      if (jobs.length === 0) {
        if (this.#held === 0) return
        await this.change()
      }
      for (const job of jobs) this.#add(job)
    }
  }

  #add(job: J): void {
    this.#held++
    this.#heldBytes += job.bytes
    const lane = job.key === undefined ? undefined : this.#lanes.get(job.key)
    if (lane !== undefined) lane.push(job)
    else {
      if (job.key !== undefined) this.#lanes.set(job.key, new Fifo())
      this.#makeReady(job)
    }
  }

  #makeReady(job: J): void {
    this.#ready.push(job)
    this.#idle.pop()?.()
  }

  /** One of the attempts at the same time. */
  async #attempts(): Promise<void> {
    const { attempt, turns } = this.#parts
    while (!this.#stopped) {
      const job = this.#ready.shift()
      if (job === undefined) {
        await new Promise<void>((resolve) => this.#idle.push(resolve))
        continue
      }
      if (this.#ready.size === 0) this.changed()
      if (turns !== undefined && !(await this.#turn(turns))) return
      // No function of its own: a promise more for each job would take as long as all the rest.
      let answer: unknown
      let failure: { readonly error: unknown } | undefined
      try {
        answer = await attempt(job)
      } catch (error) {
        failure = { error }
      }
      turns?.give()
      this.#settle(job, answer, failure)
    }
  }

  /** Waits for a turn; there is none if it stops meanwhile. */
  async #turn(turns: Turns): Promise<boolean> {
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
    if (hasTurn && this.#stopped) turns.give()
    return hasTurn && !this.#stopped
  }

  #settle(job: J, answer: unknown, failure: { readonly error: unknown } | undefined): void {
    const { conclude, failed } = this.#parts
    let verdict: Verdict<J>
    try {
      verdict = failure === undefined ? conclude(job, answer) : failed(job, failure.error)
    } catch (error) {
      this.fail(error)
      return
    }
    if (this.#stopped) return
    if (verdict === undefined) this.#end(job, [])
    else if ('parts' in verdict) this.#end(job, verdict.parts)
    else this.#pause(job, verdict.againAfterMs)
  }

  #end(job: J, parts: readonly J[]): void {
    this.#held += parts.length - 1
    this.#heldBytes -= job.bytes
    for (const part of parts) this.#heldBytes += part.bytes
    if (job.key === undefined) for (const part of parts) this.#makeReady(part)
    else this.#nextOf(job.key, parts)
    this.changed()
  }

  /** The job of a key has ended: the next of the key is ready. */
  #nextOf(key: unknown, parts: readonly J[]): void {
    const lane = this.#lanes.get(key)
    if (lane === undefined) return
    if (parts.length > 0) lane.unshift(parts)
    const next = lane.shift()
    if (next === undefined) this.#lanes.delete(key)
    else this.#makeReady(next)
  }

  #pause(job: J, ms: number): void {
    const { clock } = this.#parts
    const early = new AbortController()
    this.#paused.set(job, () => early.abort())
    this.changed()
    const resume = (): void => {
      this.#paused.delete(job)
      if (!this.#stopped) this.#makeReady(job)
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
