/**
 * Callbacks for the abort of a signal. They share one listener on the signal, because runtimes warn about many; without
 * callbacks there is none, because the signal may live as long as the program.
 */
class Callbacks {
  static readonly #of = new WeakMap<AbortSignal, Callbacks>()
  readonly #signal: AbortSignal
  readonly #waiting = new Set<() => void>()

  private constructor(signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort)
  }

  static of(signal: AbortSignal): Callbacks {
    let callbacks = Callbacks.#of.get(signal)
    if (callbacks === undefined) {
      callbacks = new Callbacks(signal)
      Callbacks.#of.set(signal, callbacks)
    }
    return callbacks
  }

  add(callback: () => void): void {
    this.#waiting.add(callback)
  }

  delete(callback: () => void): void {
    if (this.#waiting.delete(callback) && this.#waiting.size === 0) this.#stop()
  }

  #stop(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    Callbacks.#of.delete(this.#signal)
  }

  readonly #onAbort = (): void => {
    this.#stop()
    for (const callback of this.#waiting) callback()
    this.#waiting.clear()
  }
}

/** A signal of the package's own, which is listened to at less cost; see `CallSignal`. */
export abstract class OwnSignal {
  /** As `onAbort`, before it is aborted. */
  abstract listen(callback: () => void): () => void
}

/**
 * Calls back once when the signal is aborted, immediately if it already is.
 * @returns a function that ends the subscription
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => undefined
  if (signal.aborted) {
    callback()
    return () => undefined
  }
  if (signal instanceof OwnSignal) return signal.listen(callback)
  const callbacks = Callbacks.of(signal)
  callbacks.add(callback)
  return () => callbacks.delete(callback)
}

/**
 * Waits for a promise, at most until one of the signals is aborted; its later result is ignored. When this settles, the
 * listeners are removed.
 * @throws the reason of the signal that was aborted
 */
export function untilAborted<T>(
  promise: T | PromiseLike<T>,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const endings: (() => void)[] = []
    const settle = (settled: () => void): void => {
      for (const end of endings) end()
      settled()
    }
    for (const signal of signals) {
      if (signal === undefined) continue
      endings.push(onAbort(signal, () => settle(() => reject(signal.reason))))
    }
    Promise.resolve(promise).then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    )
  })
}

/**
 * A signal that is aborted with the first of several.
 * @returns the signal, and a function that ends the subscription
 */
export function firstAborted(...signals: readonly (AbortSignal | undefined)[]): {
  readonly signal: AbortSignal
  readonly end: () => void
} {
  const controller = new AbortController()
  const endings = signals.map((signal) => onAbort(signal, () => controller.abort(signal?.reason)))
  const end = (): void => {
    for (const each of endings) each()
  }
  return { signal: controller.signal, end }
}
