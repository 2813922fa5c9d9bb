import { type Clock, systemClock } from '../clock.ts'
import { bytes } from '../codec/bytes.ts'
import type { Codec } from '../codec/codec.ts'
import { WRITER_KINDS } from '../ring/queue/writer.ts'
import type { OptionKinds } from '../util/options.ts'
import type { FailurePolicy, JournalOptions } from './types.ts'

/** The name of a journal that was given none. */
export const UNNAMED_JOURNAL = 'unknown journal'
/** The longest time a timer of the machine takes. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1
/** Under a policy that gives up, a batch that failed so often is performed one by one. */
const ISOLATE_AFTER = 3
const RETRY_INTERVAL_MS = 5000
const MAX_RETRY_INTERVAL_MS = 300_000

const { refreshIntervalMs, maxPollMs, maxQueuedItems, maxQueuedBytes, maxItemBytes } = WRITER_KINDS
const { codec, createIfMissing, signal, clock } = WRITER_KINDS

/** What a journal's options have to be. */
export const JOURNAL_KINDS: OptionKinds<JournalOptions<never>> = {
  ...{ refreshIntervalMs, maxPollMs, maxQueuedItems, maxQueuedBytes, maxItemBytes },
  ...{ codec, createIfMissing, signal, clock },
  name: 'string',
  client: 'string',
  overwrite: 'boolean',
  flushIntervalMs: 'number',
  retryIntervalMs: 'number',
  maxRetryIntervalMs: 'number',
  onFailure: [{ oneOf: ['retry', 'stop'] }, 'object'],
  maxAttempts: 'number',
  maxBatchItems: 'number',
  maxBatchBytes: 'number',
  closeGraceMs: 'number',
  random: 'function',
}

/** A journal's options, checked and complete. */
export interface Settings<Out> {
  readonly name: string
  readonly client: string
  readonly codec: Codec<Out, never>
  readonly flushIntervalMs: number
  readonly retryIntervalMs: number
  readonly maxRetryIntervalMs: number
  readonly onFailure: FailurePolicy<Out>
  /** Attempts at an operation alone before it is given up. */
  readonly maxAttempts: number
  /** Attempts at a batch before it is performed one by one. */
  readonly isolateAfter: number
  readonly maxBatchItems: number
  readonly maxBatchBytes: number
  readonly closeGraceMs: number
  readonly clock: Clock
  readonly random: () => number
}

/**
 * Checks a journal's options, and completes them.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function settingsOf<Out, In>(options: JournalOptions<Out, In>): Settings<Out> {
  const { name = UNNAMED_JOURNAL, client = 'unknown', onFailure = 'retry' } = options
  const { clock = systemClock, random = Math.random } = options
  const { flushIntervalMs = 0, retryIntervalMs = RETRY_INTERVAL_MS } = options
  const { closeGraceMs = 1000, maxAttempts = 10 } = options
  const { maxBatchItems = 1000, maxBatchBytes = 1 << 20 } = options
  const { maxRetryIntervalMs = Math.max(MAX_RETRY_INTERVAL_MS, retryIntervalMs) } = options
  checkRange({ flushIntervalMs }, 0, Number.POSITIVE_INFINITY)
  checkRange({ retryIntervalMs, maxRetryIntervalMs, closeGraceMs }, 0, MAX_TIMER_MS)
  checkRange({ maxAttempts, maxBatchItems, maxBatchBytes }, 1, Number.POSITIVE_INFINITY)
  checkPolicy(onFailure)
  const forEver = onFailure === 'retry'
  return {
    name,
    client,
    codec: options.codec ?? (bytes as Codec<Out & Uint8Array, never>),
    flushIntervalMs,
    retryIntervalMs,
    maxRetryIntervalMs,
    onFailure,
    maxAttempts: forEver ? Number.POSITIVE_INFINITY : maxAttempts,
    isolateAfter: forEver ? Number.POSITIVE_INFINITY : Math.min(ISOLATE_AFTER, maxAttempts),
    maxBatchItems,
    maxBatchBytes,
    closeGraceMs,
    clock,
    random,
  }
}

function checkRange(values: Readonly<Record<string, number>>, least: number, most: number): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value >= least && value <= most)) {
      throw new RangeError(`${name} must be a number from ${least} to ${most}, not ${value}`)
    }
  }
}

function checkPolicy(policy: FailurePolicy<never>): void {
  if (policy === 'retry' || policy === 'stop') return
  const sink: unknown = policy?.deadLetter
  if (typeof sink === 'function') return
  if (typeof sink === 'object' && sink !== null && 'push' in sink) return
  throw new TypeError("onFailure must be 'retry', 'stop', or an object with a deadLetter")
}

/**
 * The pause after a failed attempt, in milliseconds: twice as long after each further one, up to the bound; and
 * of that a random part between half and all, so that many journals do not come back at once.
 */
export function retryDelay(
  attempt: number,
  settings: Pick<Settings<unknown>, 'retryIntervalMs' | 'maxRetryIntervalMs' | 'random'>,
): number {
  const { retryIntervalMs, maxRetryIntervalMs, random } = settings
  // Beyond that many doublings every interval is over the bound; without a limit it would become infinite.
  const doublings = Math.min(attempt - 1, 31)
  const whole = Math.min(retryIntervalMs * 2 ** doublings, maxRetryIntervalMs)
  return (whole * (1 + random())) / 2
}
