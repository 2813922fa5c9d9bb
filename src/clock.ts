import { onAbort } from './abort.ts'

/** Time, as the protocol sees it; injected, so that a simulator can own it. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number
  /**
   * Resolves after about `ms` milliseconds. In the background, the sleep alone does not keep the program running.
   * @throws the signal's reason, as soon as it is aborted
   */
  sleep(ms: number, signal?: AbortSignal, options?: SleepOptions): Promise<void>
}

/** How to sleep. */
export interface SleepOptions {
  readonly background?: boolean
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal, options) =>
    new Promise<void>((resolve, reject) => {
      signal?.throwIfAborted()
      const listening = onAbort(signal, () => {
        clearTimeout(timer)
        reject(signal?.reason)
      })
      const timer = setTimeout(() => {
        listening()
        resolve()
      }, ms)
      if (options?.background === true) unref(timer)
    }),
}

/** Browsers have no such thing, and need none. */
function unref(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && 'unref' in timer) {
    if (typeof timer.unref === 'function') timer.unref()
  }
}
