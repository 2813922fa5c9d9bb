import { onAbort } from './util/abort.ts'

/** The longest time of a timer, 24 days, in milliseconds: a longer one fires immediately. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/** Time, as the protocol sees it; injected, so that a simulator can own it. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number
  /** Milliseconds since 1970, for people: may jump, and is compared with no other machine's. */
  time(): number
  /**
   * Resolves after about `ms` milliseconds, 24 days at most. In the background, the sleep alone does not keep the program running.
   * @throws the signal's reason, as soon as it is aborted
   */
  sleep(ms: number, signal?: AbortSignal, options?: SleepOptions): Promise<void>
}

/** How to sleep. */
export interface SleepOptions {
  /** The sleep alone does not keep the program running, in runtimes that end by themselves. Default false. */
  readonly background?: boolean
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  time: () => Date.now(),
  sleep: (ms, signal, options) =>
    new Promise<void>((resolve, reject) => {
      signal?.throwIfAborted()
      const listening = onAbort(signal, () => {
        clearTimeout(timer)
        reject(signal?.reason)
      })
      const timer = setTimeout(
        () => {
          listening()
          resolve()
        },
        Math.min(ms, MAX_TIMER_MS),
      )
      if (options?.background === true) unref(timer)
    }),
}

/** Browsers have no such thing, and need none. */
function unref(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && 'unref' in timer) {
    if (typeof timer.unref === 'function') timer.unref()
  }
}
