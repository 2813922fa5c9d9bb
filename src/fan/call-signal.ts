import { OwnSignal } from '../util/abort.ts'

/**
 * The signal of one call within the package, for functions that listen with `onAbort`. An `AbortController` for each
 * push makes a tee take two to three times as long with thousands of pushes under way: collecting them takes most of
 * the time.
 */
export class CallSignal extends OwnSignal {
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

  listen(callback: () => void): () => void {
    this.#callbacks.push(callback)
    return () => {
      const at = this.#callbacks.indexOf(callback)
      if (at >= 0) this.#callbacks.splice(at, 1)
    }
  }

  /** The same, for options: it has the part of a signal that the package's own functions use. */
  get asSignal(): AbortSignal {
    return this as unknown as AbortSignal
  }
}
