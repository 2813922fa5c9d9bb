interface Held {
  readonly start: number
  readonly end: number
  readonly released: Promise<void>
}

/** Lets tasks on separate ranges run at the same time, and those on overlapping ones in turn. */
export class RangeLock {
  readonly #held = new Set<Held>()

  /** Runs a task once no earlier one on an overlapping range is running or waiting. */
  async run<T>(start: number, end: number, task: () => Promise<T>): Promise<T> {
    const earlier = [...this.#held].filter((held) => start < held.end && held.start < end)
    let release: () => void = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const held = { start, end, released }
    this.#held.add(held)
    try {
      await Promise.all(earlier.map((each) => each.released))
      return await task()
    } finally {
      this.#held.delete(held)
      release()
    }
  }
}
