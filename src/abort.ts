/** Who listens to each signal: one listener of ours a signal, because runtimes warn of many. */
const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls back once when the signal is aborted, at once if it is already.
 * @returns a function that ends the listening
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => undefined
  if (signal.aborted) {
    callback()
    return () => undefined
  }
  const callbacks = listeners.get(signal) ?? listen(signal)
  callbacks.add(callback)
  return () => callbacks.delete(callback)
}

function listen(signal: AbortSignal): Set<() => void> {
  const callbacks = new Set<() => void>()
  listeners.set(signal, callbacks)
  signal.addEventListener('abort', () => {
    for (const callback of callbacks) callback()
    callbacks.clear()
  })
  return callbacks
}

/**
 * Waits for a promise, but no longer than until one of the signals is aborted. What the promise does later is nobody's
 * business then.
 * @throws the reason of the signal that was aborted
 */
export function untilAborted<T>(
  promise: T | Promise<T>,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const listening = signals.map((signal) => onAbort(signal, () => reject(signal?.reason)))
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => {
        for (const end of listening) end()
      })
  })
}
