import type { Clock } from '../../src/clock.ts'
import { Lazy } from '../../src/util/lazy.ts'

interface Sleeper {
  readonly at: number
  wake(): void
}

/** A clock whose time stands still, and whoever sleeps wakes at once. */
export const instant: Clock = { now: () => 0, time: () => 0, sleep: async () => undefined }

/** Lets everything happen that needs no time, if it needs no I/O outside of this process either. */
export async function settle(): Promise<void> {
  // Loading a part of the package takes no time of a fake clock.
  await Lazy.loadAll()
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
}

/** A clock whose time passes only when it is told to; those who sleep wake in the order of their times. */
export class FakeClock implements Clock {
  #now = 0
  readonly #sleepers: Sleeper[] = []

  now(): number {
    return this.#now
  }

  time(): number {
    return this.#now
  }

  /** How many sleep now. */
  get sleepers(): number {
    return this.#sleepers.length
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const aborted = (): void => {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1)
        reject(signal?.reason)
      }
      const wake = (): void => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      }
      const sleeper = { at: this.#now + ms, wake }
      const after = this.#sleepers.findIndex(({ at }) => at > sleeper.at)
      this.#sleepers.splice(after < 0 ? this.#sleepers.length : after, 0, sleeper)
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }

  /** As {@link settle}. */
  settle(): Promise<void> {
    return settle()
  }

  /** Lets time pass, and what happens in it happen. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (let first = this.#sleepers[0]; first !== undefined && first.at <= end; ) {
      this.#sleepers.shift()
      this.#now = Math.max(this.#now, first.at)
      first.wake()
      await this.settle()
      first = this.#sleepers[0]
    }
    this.#now = end
    await this.settle()
  }
}
