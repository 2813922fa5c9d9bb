import { onAbort } from './abort.ts'

/** Time, as the protocol sees it; injected, so that a simulator can own it. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number
  /**
   * Resolves after about `ms` milliseconds.
   * @throws the signal's reason, as soon as it is aborted
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
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
    }),
}
