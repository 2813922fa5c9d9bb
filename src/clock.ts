import { onAbort } from './util/abort.ts'

/** The longest time of a timer, 24 days, in milliseconds. A longer one fires immediately. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1

/** The time for all protocol code. It is injected, so that a simulator can control it. */
export interface Clock {
  /** Milliseconds since a fixed moment. Never goes back. */
  now(): number
  /** Milliseconds since 1970. Informative: it may jump, and must not be compared with another machine's. */
  time(): number
  /**
   * Resolves after about `ms` milliseconds, at most 24 days. With `background`, the sleep alone does not keep the
   * program running.
   * @throws the signal's reason, as soon as it is aborted
   */
  sleep(ms: number, signal?: AbortSignal, options?: SleepOptions): Promise<void>
}

/** Options of a sleep. */
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

/** Browsers have no `unref`, and do not need it. */
function unref(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && 'unref' in timer) {
    if (typeof timer.unref === 'function') timer.unref()
  }
}
