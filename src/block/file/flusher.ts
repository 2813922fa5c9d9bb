/**
 * Lets callers share one flush, but only one that began after they called: a flush that is under way may
 * have passed their data already.
 *
 * A failure lasts. The kernel reports lost data once and then takes its pages for clean, so a later flush
 * would succeed without the data, also for callers that have not heard of the failure.
 */
export class Flusher {
  readonly #sync: () => Promise<void>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(sync: () => Promise<void>) {
    this.#sync = sync
  }

  /** Everything written before the call is on stable storage when it resolves. */
  flush(): Promise<void> {
    if (this.#running === undefined) return this.#start()
    // One that failed stays, so everything that waits for it fails too.
    this.#next ??= this.#running.then(() => this.#start())
    return this.#next
  }

  #start(): Promise<void> {
    this.#next = undefined
    this.#running = this.#sync().then(() => {
      // With one to come, this one stays until that one has begun: there are never two at a time.
      if (this.#next === undefined) this.#running = undefined
    })
    return this.#running
  }
}
