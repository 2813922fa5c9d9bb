/** Waits for promises, and can abandon all of them together. */
export class Waits {
  readonly #rejects = new Set<(error: unknown) => void>()

  /** The number that is waited for. */
  get size(): number {
    return this.#rejects.size
  }

  /**
   * Settles as the promise does.
   * @throws what `giveUp` was given
   */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let giveUp: (error: unknown) => void = () => undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        giveUp = reject
        this.#rejects.add(reject)
        promise.then(resolve, reject)
      })
    } finally {
      this.#rejects.delete(giveUp)
    }
  }

  /** Rejects all that are waited for now. */
  giveUp(error: unknown): void {
    for (const reject of this.#rejects) reject(error)
  }
}
