import { ALWAYS, asked, type Permit } from '../../permit.ts'

/**
 * Lets callers share one flush, but only one that began after they called: a flush in flight may have passed their
 * data already.
 *
 * A failure is permanent. The kernel reports lost data once and then marks its pages clean, so a later flush would
 * succeed without the data, even for callers that never saw the failure. A flush that was not sent, because no
 * caller's permit allowed it, is not a failure.
 */
export class Flusher {
  readonly #sync: (permit: Permit) => Promise<void>
  /** Resolves when the flush in flight is over; once rejected, it stays so. */
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  /** Permits of the callers that share the next flush. */
  #permits: Permit[] = []
  #failed = false

  /** @param sync asks the permit, and sends a flush */
  constructor(sync: (permit: Permit) => Promise<void>) {
    this.#sync = sync
  }

  /** Everything written before the call is on stable storage when it resolves. */
  flush(permit: Permit): Promise<void> {
    if (this.#failed && this.#running !== undefined) return this.#running
    this.#permits.push(permit)
    if (this.#running === undefined) return this.#start()
    this.#next ??= this.#running.then(() => this.#start())
    return this.#next
  }

  #start(): Promise<void> {
    const ask = asked(anyOf(this.#permits))
    this.#permits = []
    this.#next = undefined
    const flushed = this.#sync(ask.permit).then(
      () => this.#over(),
      (error: unknown) => {
        if (ask.refused === undefined) this.#failed = true
        else this.#over()
        throw error
      },
    )
    this.#running = flushed.catch((error: unknown) => {
      if (ask.refused === undefined) throw error
    })
    this.#running.catch(() => undefined) // Callers that wait for the flush get the error.
    return flushed
  }

  /** If another flush is due, the promise stays until that one has begun: there are never two at a time. */
  #over(): void {
    if (this.#next === undefined) this.#running = undefined
  }
}

/** Allows a flush if any of the permits does. */
function anyOf(permits: readonly Permit[]): Permit {
  const [first = ALWAYS, ...others] = permits
  if (others.length === 0) return first
  return () => {
    let refusal: unknown
    for (const permit of permits) {
      try {
        permit()
        return
      } catch (reason) {
        refusal ??= reason
      }
    }
    throw refusal
  }
}
