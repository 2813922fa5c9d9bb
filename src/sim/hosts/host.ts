import type { Clock } from '../../clock.ts'
import { onAbort } from '../../util/abort.ts'
import type { Random } from '../world/random.ts'
import type { Scheduler } from '../world/scheduler.ts'

/** What a pause stops besides the process: nothing, the monotonic clock, or both clocks. */
export type PauseKind = 'stop' | 'sleep' | 'freeze'

/** How fast two clocks are: milliseconds that each counts in one. */
export interface Rates {
  readonly rate: number
  readonly wallRate: number
}

/** A machine with two clocks of its own, which may be paused and cut off from the storage. */
export class Host implements Clock {
  readonly name: string
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #rates: Rates
  #lostMs = 0
  #wallLostMs = 0
  #pausedUntil = 0
  #cutUntil = 0
  /** True if both its clocks once stopped: it cannot know how late it is. */
  frozen = false

  constructor(
    name: string,
    scheduler: Scheduler,
    random: Random,
    rates: Rates = { rate: 1, wallRate: 1 },
  ) {
    this.name = name
    this.#scheduler = scheduler
    this.#random = random
    this.#rates = rates
  }

  now(): number {
    return this.#rates.rate * (this.#scheduler.now - this.#lostMs)
  }

  time(): number {
    return Math.floor(1e12 + this.#rates.wallRate * (this.#scheduler.now - this.#wallLostMs))
  }

  /** When this host can reach the storage. */
  get reachesFrom(): number {
    return this.#cutUntil
  }

  /** Stops the process for `ms` milliseconds, and the clocks that the kind says. */
  pause(kind: PauseKind, ms: number): void {
    if (this.#pausedUntil > this.#scheduler.now) return
    this.#pausedUntil = this.#scheduler.now + ms
    if (kind !== 'stop') this.#lostMs += ms
    if (kind === 'freeze') this.#wallLostMs += ms
    this.frozen ||= kind === 'freeze'
  }

  /** Cuts it off from the storage, both ways, for `ms` milliseconds. */
  cutOff(ms: number): void {
    this.#cutUntil = Math.max(this.#cutUntil, this.#scheduler.now + ms)
  }

  /** Sets the wall clock forward, or back. */
  setWallClock(ms: number): void {
    this.#wallLostMs -= ms
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      let asleep = true
      const listening = onAbort(signal, () => {
        asleep = false
        reject(signal?.reason)
      })
      // As with real timers, it is a millisecond at least.
      const target = this.now() + Math.max(1, ms)
      const wait = (): boolean => {
        if (!asleep) return false
        const paused = this.#pausedMs
        const left = (target - this.now()) / this.#rates.rate
        if (paused <= 0 && left <= 0) {
          listening()
          resolve()
          return true
        }
        this.#scheduler.after(Math.max(paused, left, 1e-3), wait)
        return false
      }
      this.#scheduler.after(ms / this.#rates.rate, wait)
    })
  }

  /** Runs something in this host's process, as soon as that runs. */
  whenRunning(happen: () => void): void {
    this.#scheduler.after(this.#pausedMs, () => {
      if (this.#pausedMs > 0) this.whenRunning(happen)
      else happen()
      return true
    })
  }

  /** How much longer this host is paused. Events meanwhile are delivered afterwards, in any order. */
  get #pausedMs(): number {
    const ms = this.#pausedUntil - this.#scheduler.now
    return ms > 0 ? ms + this.#random.float() : 0
  }
}
