import type { Clock } from '../../../clock.ts'

/** As many are timed together at most. */
const MOST = 32
/** How quick they have to be for that, each, in milliseconds. */
const QUICK_MS = 0.01

/**
 * Times handlers. To read the clock takes 50 ns, and all else for an item with which nothing is done less than 1 us: so handlers that end at once,
 * one right after the other, are timed together while they take microseconds, and each counts with the mean.
 *
 * - Handlers that take longer are timed one by one.
 * - One that takes long right after quick ones counts as up to 32 handlers that took as long together.
 */
export class HandlerTimes {
  readonly #clock: Clock
  readonly #onTimed: (durationMs: number) => void
  /** When the first of those that are timed together was called; undefined if nothing was called right before. */
  #startedAt: number | undefined
  #begun = 0
  #ended = 0
  /** As many are timed together now. */
  #most = 1

  /** @param onTimed called with how long each handler took of which `end` did not say it */
  constructor(clock: Clock, onTimed: (durationMs: number) => void) {
    this.#clock = clock
    this.#onTimed = onTimed
  }

  /**
   * A handler is called.
   * @returns when; or when the first of those was called that are timed together
   */
  begin(): number {
    // The last one has not ended: what it does later does not count for those before it.
    if (this.#begun !== this.#ended) this.rest()
    this.#startedAt ??= this.#clock.now()
    this.#begun++
    return this.#startedAt
  }

  /**
   * A handler ended well.
   * @param startedAt what `begin` answered; undefined if nobody listened then
   * @returns how long it took; undefined if it is timed together with the next
   */
  end(startedAt: number | undefined): number | undefined {
    if (this.#startedAt === undefined) return this.#since(startedAt)
    this.#ended++
    return this.#ended < this.#most ? undefined : this.#time()
  }

  /** As `end`, and it is timed with none that comes after. */
  endNow(startedAt: number | undefined): number {
    if (this.#startedAt === undefined) return this.#since(startedAt)
    this.#ended++
    return this.#time()
  }

  /** The next handler is not called right after the last one. */
  rest(): void {
    if (this.#ended > 0) this.#time()
    this.#startedAt = undefined
    this.#begun = 0
  }

  #since(startedAt: number | undefined): number {
    return startedAt === undefined ? 0 : this.#clock.now() - startedAt
  }

  #time(): number {
    const startedAt = this.#startedAt
    const now = this.#clock.now()
    const durationMs = startedAt === undefined ? 0 : (now - startedAt) / this.#ended
    this.#startedAt = now
    this.#begun = 0
    this.#ended = 0
    this.#most = durationMs < QUICK_MS ? Math.min(2 * this.#most, MOST) : 1
    this.#onTimed(durationMs)
    return durationMs
  }
}
