import { MAX_TIMER_MS } from '../clock.ts'
import { checkRange } from '../util/numbers.ts'
import { checkOptions } from '../util/options.ts'

/** Beyond this many doublings every pause is over its bound; without a limit it would become infinite. */
const MAX_DOUBLINGS = 31

/** The pauses between attempts. */
export interface BackoffOptions {
  /** The longest pause after a first failure, in milliseconds; it doubles with each further one. Default 1,000. */
  readonly firstMs?: number
  /** The longest pause of all, in milliseconds. Default 60,000, or `firstMs` if that is more. */
  readonly maxMs?: number
}

/** The pause after a failure. */
export interface Backoff {
  /** The longest pause after a first failure, in milliseconds; it doubles with each further one. */
  readonly firstMs: number
  /** The longest pause of all, in milliseconds. */
  readonly maxMs: number
  /** A number from 0 (included) to 1 (excluded), for the jitter. */
  readonly random: () => number
}

/** Attempts at an item before it goes to the dead letters, unless the options say otherwise. */
const ATTEMPTS = 10

/** The default number of attempts at an item: no limit if there is no dead letter. */
export function attemptsOf(deadLetter: unknown): number {
  return deadLetter === undefined ? Number.POSITIVE_INFINITY : ATTEMPTS
}

/**
 * Checks the pauses among a call's options, and completes them.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function backoffOf(
  call: string,
  options: { readonly backoff?: BackoffOptions; readonly random?: () => number },
  defaults: Required<BackoffOptions>,
): Backoff {
  const { backoff = {}, random = Math.random } = options
  checkOptions(`${call}, backoff`, backoff, { firstMs: 'number', maxMs: 'number' })
  const { firstMs = defaults.firstMs, maxMs = Math.max(defaults.maxMs, firstMs) } = backoff
  checkRange({ firstMs, maxMs }, 0, MAX_TIMER_MS)
  return { firstMs, maxMs, random }
}

/**
 * The pause after a failed attempt, the first one being 1, in milliseconds: twice as long after each further one, up to
 * the bound; of that a random part between half and all, so that many workers do not retry at the same time.
 */
export function backoffAfter(attempt: number, { firstMs, maxMs, random }: Backoff): number {
  const whole = Math.min(firstMs * 2 ** Math.min(attempt - 1, MAX_DOUBLINGS), maxMs)
  return (whole * (1 + random())) / 2
}
