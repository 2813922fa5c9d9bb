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

/**
 * The signal of one call within the package. It costs a fraction of an `AbortController`, and serves functions that
 * listen with `onAbort`.
 */
export class CallSignal {
  readonly #callbacks: (() => void)[] = []
  aborted = false
  reason: unknown

  /** Aborts it, once. */
  abort(reason: unknown): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    for (const callback of this.#callbacks.splice(0)) callback()
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  /** As `onAbort`. */
  listen(callback: () => void): () => void {
    this.#callbacks.push(callback)
    return () => {
      const at = this.#callbacks.indexOf(callback)
      if (at >= 0) this.#callbacks.splice(at, 1)
    }
  }

  /** The same, typed for the package's own functions. */
  get asSignal(): AbortSignal {
    return this as unknown as AbortSignal
  }
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
  const own: object = signal
  if (own instanceof CallSignal) return own.listen(callback)
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
