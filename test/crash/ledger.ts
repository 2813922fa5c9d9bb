/** What a side says. `next` is the index of the item after those that it speaks of. */
export type Message =
  /** It is attached, and goes on with item `next`. */
  | { readonly event: 'start'; readonly next: number }
  /** The consumer was given the items from `from` on. */
  | { readonly event: 'delivered'; readonly from: number; readonly next: number }
  /** It is about to push, or to advance past, everything before `next`. */
  | { readonly event: 'begin'; readonly next: number }
  /** That was acknowledged. */
  | { readonly event: 'done'; readonly next: number }

/** What may be expected of a ring whose sides are killed, and whether it was kept. */
export class Ledger {
  /** Everything before this was acknowledged by a push; may have been pushed. */
  #pushed = 0
  #pushing = 0
  /** The same of advancing. */
  #advanced = 0
  #advancing = 0
  /** The item that the consumer has to be given next; everything that was ever delivered lies before `#seen`. */
  #next = 0
  #seen = 0
  /** What was delivered before the producer that runs now was started. */
  #seenBefore = 0
  /** Items that were delivered again. */
  repeats = 0

  get pushed(): number {
    return this.#pushed
  }

  get advanced(): number {
    return this.#advanced
  }

  /** No producer runs, and all that they said has been heard. */
  betweenProducers(): void {
    check(this.#seen <= this.#pushing, `item ${this.#seen - 1} was delivered, but never pushed`)
    this.#seenBefore = this.#seen
  }

  producer(message: Message): void {
    const { event, next } = message
    if (event === 'start') {
      const least = Math.max(this.#pushed, this.#seenBefore)
      check(next >= least, `items ${next} to ${least - 1} had been pushed, and are lost`)
      check(next <= this.#pushing, `items ${this.#pushing} to ${next - 1} were never pushed`)
      this.#pushing = next
      this.#pushed = next
    } else if (event === 'begin') {
      this.#pushing = next
    } else if (event === 'done') {
      check(next > this.#pushed && next <= this.#pushing, `a push up to ${next} was acknowledged`)
      this.#pushed = next
    } else {
      throw new Error('the producer was given items')
    }
  }

  consumer(message: Message): void {
    const { event, next } = message
    if (event === 'start') {
      // One write moves the pointer, so it is where it was or where it was to go, and nowhere between.
      check(
        next === this.#advanced || next === this.#advancing,
        `the consumer goes on with item ${next}, but had advanced to ${this.#advanced}, ` +
          `and was about to advance to ${this.#advancing}`,
      )
      this.repeats += this.#seen - next
      this.#advanced = next
      this.#advancing = next
      this.#next = next
    } else if (event === 'delivered') {
      check(message.from === this.#next, `item ${message.from} came in place of ${this.#next}`)
      this.#next = next
      this.#seen = Math.max(this.#seen, next)
    } else if (event === 'begin') {
      check(next <= this.#next, `about to advance past item ${next - 1} before it was delivered`)
      this.#advancing = next
    } else {
      check(next === this.#advancing, `advanced to ${next} in place of ${this.#advancing}`)
      this.#advanced = next
    }
  }

  /** Both sides have ended. */
  end(items: number): void {
    this.betweenProducers()
    check(this.#pushed === items, `${this.#pushed} of ${items} items were pushed`)
    check(this.#seen === items, `${this.#seen} of ${items} items were delivered`)
    check(this.#advanced === items, `${this.#advanced} of ${items} items were advanced past`)
  }
}

function check(kept: boolean, problem: string): void {
  if (!kept) throw new Error(problem)
}
