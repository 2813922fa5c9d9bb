import { MAX_TIMER_MS } from '../../../clock.ts'
import type { Position } from '../../../position.ts'
import { checkRange } from '../../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../../util/options.ts'
import type { RingEntry } from '../entry.ts'
import { HandlerVerdict } from './handler-verdict.ts'
import type { Job, RetryOptions } from './types.ts'

const RETRY_KINDS: OptionKinds<RetryOptions> = { afterMs: 'number', reason: 'any' }

/** The properties that all jobs of a call share. */
export interface JobFacts {
  /** Items up to this position may have been in the ring when the call began. */
  foundUpTo: Position
  /** Aborted when `process` stops waiting for the handlers. */
  readonly signal: AbortSignal
}

/** A job as its handler sees it, created for each attempt. Properties that few handlers use are computed on demand. */
export class CurrentJob implements Job {
  readonly attempt: number
  readonly #entry: RingEntry<unknown>
  readonly #facts: JobFacts
  /** The last verdict that the handler asked for, if any. */
  asked: HandlerVerdict | undefined

  constructor(entry: RingEntry<unknown>, attempt: number, facts: JobFacts) {
    this.#entry = entry
    this.attempt = attempt
    this.#facts = facts
  }

  get mayHaveRun(): boolean {
    return this.attempt > 1 || this.position <= this.#facts.foundUpTo
  }

  get signal(): AbortSignal {
    return this.#facts.signal
  }

  get position(): Position {
    return this.#entry.position
  }

  get number(): number | undefined {
    return this.#entry.number
  }

  get pushedAt(): number | undefined {
    return this.#entry.pushedAt
  }

  get missed(): number | undefined {
    return this.#entry.missed
  }

  retry(options: RetryOptions = {}): HandlerVerdict {
    checkOptions('Job.retry', options, RETRY_KINDS)
    const { afterMs, reason } = options
    if (afterMs !== undefined) checkRange({ afterMs }, 0, MAX_TIMER_MS)
    this.asked = new HandlerVerdict({
      what: 'retry',
      afterMs,
      reason: reason ?? new Error('job.retry()'),
    })
    return this.asked
  }

  giveUp(reason: unknown): HandlerVerdict {
    this.asked = new HandlerVerdict({ what: 'giveUp', reason })
    return this.asked
  }
}
