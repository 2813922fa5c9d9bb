import { type Clock, MAX_TIMER_MS } from '../clock.ts'

/** Waits until a time, or until it is woken. */
export class Alarm {
  readonly #clock: Clock
  #wait: AbortController | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Ends the current wait, if there is one. */
  wake(): void {
    this.#wait?.abort()
  }

  /**
   * Waits until that time of the clock, or until `wake`; it may return early, so check again. `undefined` waits only
   * for `wake`, without a timer, so that it does not keep the process alive.
   */
  async wait(at: number | undefined): Promise<void> {
    const wait = new AbortController()
    this.#wait = wait
    try {
      if (at === undefined) await aborted(wait.signal)
      else await this.#clock.sleep(Math.min(at - this.#clock.now(), MAX_TIMER_MS), wait.signal)
    } catch (error) {
      if (!wait.signal.aborted) throw error
    } finally {
      this.#wait = undefined
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
