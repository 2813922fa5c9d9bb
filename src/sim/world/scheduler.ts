import { drain } from './drain.ts'

/** Something scheduled. */
export interface Scheduled {
  readonly at: number
  /** Cancels it, if it has not happened yet. */
  cancel(): void
}

/** Why a simulation stopped: it was done, nothing can ever happen again, or it took too many events. */
export type Stop = 'done' | 'idle' | 'bound'

class Entry implements Scheduled {
  readonly at: number
  readonly order: number
  happen: (() => boolean) | undefined

  constructor(at: number, order: number, happen: () => boolean) {
    this.at = at
    this.order = order
    this.happen = happen
  }

  cancel(): void {
    this.happen = undefined
  }
}

/** Owns time. Code under test runs only between events, as far as it gets without I/O and without time. */
export class Scheduler {
  /** Sorted, the next one last. */
  readonly #queue: Entry[] = []
  #now = 0
  #order = 0
  #events = 0

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now
  }

  /** How many events happened. */
  get events(): number {
    return this.#events
  }

  /**
   * Schedules something in `ms` milliseconds. It returns whether it let code under test continue; events at
   * the same time happen in the order of scheduling.
   */
  after(ms: number, happen: () => boolean): Scheduled {
    const entry = new Entry(this.#now + Math.max(0, ms), this.#order++, happen)
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (isLater(this.#queue[middle] as Entry, entry)) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, entry)
    return entry
  }

  /** Runs events until `done` says so. */
  async run(done: () => boolean, maxEvents: number): Promise<Stop> {
    for (;;) {
      await drain()
      for (let woke = false; !woke; ) {
        if (done()) return 'done'
        const entry = this.#queue.pop()
        if (entry === undefined) return 'idle'
        if (entry.happen === undefined) continue
        if (++this.#events > maxEvents) return 'bound'
        this.#now = entry.at
        woke = entry.happen()
      }
    }
  }
}

function isLater(left: Entry, right: Entry): boolean {
  return left.at > right.at || (left.at === right.at && left.order > right.order)
}
