/** Counts of items that the consumer lost. */
export interface Lost {
  /** Damaged, and skipped. */
  readonly damaged: number
  /** Overwritten before they were popped. */
  readonly missed: number
}

interface CountedLoss extends Lost {
  /** The number of items up to its beginning, and up to its end. */
  readonly begin: number
  readonly end: number
}

/** The most losses kept apart. Beyond it, the last two are merged. */
const MAX_LOSSES = 4096

/**
 * The losses between the consumer's cursor and the last pop. An item can be popped several times before it is
 * acknowledged, but its loss is counted once, when the cursor passes it.
 */
export class LossCounter {
  /** Ascending, without overlaps. */
  #losses: CountedLoss[] = []

  /** Records that `items` items, up to `end`, were damaged or overwritten. */
  add(kind: keyof Lost, items: number, end: number): void {
    const at = this.#losses.findLastIndex((loss) => loss.begin < end) + 1
    const before = this.#losses[at - 1]
    const begin = Math.max(end - items, before?.end ?? 0)
    if (begin >= end) return
    this.#losses.splice(at, 0, { begin, end, damaged: 0, missed: 0, [kind]: end - begin })
    if (this.#losses.length <= MAX_LOSSES) return
    const [one, two] = this.#losses.splice(-2) as [CountedLoss, CountedLoss]
    const damaged = one.damaged + two.damaged
    this.#losses.push({ begin: one.begin, end: two.end, damaged, missed: one.missed + two.missed })
  }

  /** The losses before a sequence number. */
  before(seq: number): Lost {
    let damaged = 0
    let missed = 0
    for (const loss of this.#losses) {
      if (loss.end > seq) break
      damaged += loss.damaged
      missed += loss.missed
    }
    return { damaged, missed }
  }

  /** Drops the losses that the cursor has passed. */
  forgetBefore(seq: number): void {
    const keep = this.#losses.findIndex(({ end }) => end > seq)
    this.#losses.splice(0, keep < 0 ? this.#losses.length : keep)
  }
}
