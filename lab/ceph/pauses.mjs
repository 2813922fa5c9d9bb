/** How long the sides stood still: the longest time between two acknowledgements. */
export class Pauses {
  #last = {}
  #longest = {}

  /** A side was acknowledged something. */
  acknowledged(role) {
    const now = performance.now()
    const pause = now - (this.#last[role] ?? now)
    this.#longest[role] = Math.max(this.#longest[role] ?? 0, pause)
    this.#last[role] = now
  }

  /** From now on. */
  begin() {
    this.#longest = {}
  }

  /** In milliseconds. */
  get longest() {
    const { producer = 0, consumer = 0 } = this.#longest
    return { producer: Math.round(producer), consumer: Math.round(consumer) }
  }
}
