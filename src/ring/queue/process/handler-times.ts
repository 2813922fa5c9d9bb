import type { Clock } from '../../../clock.ts'

/** The most handlers timed together. */
const MOST = 32
/** Handlers are timed together if each takes less than this, in milliseconds. */
const QUICK_MS = 0.01

/**
 * Times handlers. Reading the clock takes 50 ns, and the rest of the work for a trivial item less than 1 us. So
 * handlers that return at once, one right after the other, are timed together while they take microseconds, and each
 * counts with the mean.
 *
 * - Slower handlers are timed one by one.
 * - A slow handler right after quick ones counts as up to 32 handlers that took as long together.
 */
export class HandlerTimes {
  readonly #clock: Clock
  readonly #onTimed: (durationMs: number) => void
  /** The start of the handlers being timed together; undefined if none was called right before. */
  #startedAt: number | undefined
  #begun = 0
  #ended = 0
  /** The number of handlers currently timed together. */
  #most = 1

  /** @param onTimed called with the duration of each handler for which `end` returned none */
  constructor(clock: Clock, onTimed: (durationMs: number) => void) {
    this.#clock = clock
    this.#onTimed = onTimed
  }

  /**
   * A handler is called.
   * @returns the time; or the start of the handlers timed together
   */
  begin(): number {
    // The last handler has not ended, and its further work does not count for the earlier ones.
    if (this.#begun !== this.#ended) this.rest()
    this.#startedAt ??= this.#clock.now()
    this.#begun++
    return this.#startedAt
  }

  /**
   * A handler succeeded.
   * @param startedAt the result of `begin`; undefined if there were no subscribers then
   * @returns its duration; undefined if it is timed together with the next one
   */
  end(startedAt: number | undefined): number | undefined {
    if (this.#startedAt === undefined) return this.#since(startedAt)
    this.#ended++
    return this.#ended < this.#most ? undefined : this.#time()
  }

  /** As `end`, for a handler that is not timed together with later ones. */
  endNow(startedAt: number | undefined): number {
    if (this.#startedAt === undefined) return this.#since(startedAt)
    this.#ended++
    return this.#time()
  }

  /** Ends the timing: the next handler is not called right after the last one. */
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
