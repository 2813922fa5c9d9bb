/** Counts of items that were lost to the consumer. */
export interface Lost {
  /** Damaged, and stepped over. */
  readonly skipped: number
  /** Overwritten before they were popped. */
  readonly missed: number
}

interface Loss extends Lost {
  /** The number of items up to the end of the loss. */
  readonly end: number
}

/** Losses that are kept apart; beyond, the last ones are merged. */
const MAX_LOSSES = 4096

/**
 * What was lost between the consumer's cursor and what it popped. An item can be popped again before it is given back,
 * but its loss is counted once: when the cursor passes it.
 */
export class Losses {
  #losses: Loss[] = []
  #countedTo = 0

  /** Notes that so many items, up to `end`, were damaged or overwritten. */
  add(kind: keyof Lost, items: number, end: number): void {
    const more = Math.min(items, end - this.#countedTo)
    if (more <= 0) return
    this.#countedTo = end
    const before = this.#losses.length >= MAX_LOSSES ? this.#losses.pop() : undefined
    const { skipped = 0, missed = 0 } = before ?? {}
    this.#losses.push({
      end,
      skipped,
      missed,
      [kind]: (kind === 'missed' ? missed : skipped) + more,
    })
  }

  /** Takes out what was lost before the cursor's new place. */
  take(seq: number): Lost {
    let skipped = 0
    let missed = 0
    while (this.#losses[0] !== undefined && this.#losses[0].end <= seq) {
      skipped += this.#losses[0].skipped
      missed += this.#losses[0].missed
      this.#losses.shift()
    }
    return { skipped, missed }
  }
}
