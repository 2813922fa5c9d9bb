/** The limits of a rate: `burst` events in a row, and `perSecond` a second in the long run. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** A token bucket. */
export class RateLimit {
  readonly #rate: Rate
  readonly #now: () => number
  #tokens: number
  #filledAt: number

  /** @param now milliseconds that only grow */
  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate
    this.#now = now
    this.#tokens = rate.burst
    this.#filledAt = now()
  }

  /** True if it may happen once more, now. */
  take(): boolean {
    const { burst, perSecond } = this.#rate
    const now = this.#now()
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1000) * perSecond)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
