import { onAbort } from './abort.ts'

/** Runs tasks one after the other, in the order of the calls. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  /**
   * Runs the task once all earlier ones have settled, and settles with it.
   * @throws the signal's reason, immediately, if it is aborted before the task begins
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal === undefined) return this.#append(task)
    return new Promise<T>((resolve, reject) => {
      const listening = onAbort(signal, () => reject(signal.reason))
      this.#append(async () => {
        listening()
        signal.throwIfAborted()
        return task()
      }).then(resolve, reject)
    })
  }

  #append<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task)
    this.#last = result.catch(() => undefined)
    return result
  }
}
