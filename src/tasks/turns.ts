/**
 * Turns that several schedulers share: a limit on their concurrent attempts. The scheduler that has waited longest is
 * next.
 */
export class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /**
   * Takes a turn.
   * @param onTurn called when there is one, if it has to wait
   * @returns whether one is free
   */
  take(onTurn: () => void): boolean {
    if (this.#free === 0) {
      this.#waiting.add(onTurn)
      return false
    }
    this.#free--
    return true
  }

  /** Stops waiting for a turn. */
  withdraw(onTurn: () => void): void {
    this.#waiting.delete(onTurn)
  }

  /** Releases a turn. */
  give(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
