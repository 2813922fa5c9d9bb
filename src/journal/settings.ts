import { type Clock, MAX_TIMER_MS, systemClock } from '../clock.ts'
import { bytes } from '../codec/bytes.ts'
import type { Codec } from '../codec/codec.ts'
import { UNNAMED } from '../ring/names.ts'
import { sinkOf } from '../ring/queue/process/dead-letter-ring.ts'
import type { DeadLetterFunction } from '../ring/queue/process/types.ts'
import { WRITER_KINDS } from '../ring/queue/writer-options.ts'
import { attemptsOf, type Backoff, backoffOf } from '../tasks/backoff.ts'
import { checkRange } from '../util/numbers.ts'
import type { OptionKinds } from '../util/options.ts'
import type { JournalOptions } from './types.ts'

/** The default name of a journal. */
export const UNNAMED_JOURNAL = 'unknown journal'
/** With `attempts`, a group that failed this often is performed one by one. */
const ISOLATE_AFTER = 3
const FIRST_MS = 5000
const MAX_MS = 300_000
const GRACE_MS = 1000

const { refreshIntervalMs, maxPollMs, maxQueuedItems, maxQueuedBytes, maxItemBytes } = WRITER_KINDS
const { codec, createIfMissing, signal, clock } = WRITER_KINDS

/** The kinds of a journal's options. */
export const JOURNAL_KINDS: OptionKinds<JournalOptions<never>> = {
  ...{ refreshIntervalMs, maxPollMs, maxQueuedItems, maxQueuedBytes, maxItemBytes },
  ...{ codec, createIfMissing, signal, clock },
  queue: 'string',
  client: 'string',
  performIntervalMs: 'number',
  attempts: 'number',
  backoff: 'object',
  deadLetter: ['object', 'function'],
  maxPerformItems: 'number',
  maxPerformBytes: 'number',
  graceMs: 'number',
  random: 'function',
}

/** A journal's options, checked and complete. */
export interface Settings<Out> {
  readonly queue: string
  readonly client: string
  readonly codec: Codec<Out, never>
  readonly performIntervalMs: number
  readonly backoff: Backoff
  readonly deadLetter: DeadLetterFunction<Out> | undefined
  /** Attempts at an operation alone before it is given up. */
  readonly attempts: number
  /** Attempts at a group before it is performed one by one. */
  readonly isolateAfter: number
  readonly maxPerformItems: number
  readonly maxPerformBytes: number
  readonly graceMs: number
  readonly clock: Clock
}

/**
 * Checks a journal's options, and completes them.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function settingsOf<Out, In>(options: JournalOptions<Out, In>): Settings<Out> {
  const { queue = UNNAMED_JOURNAL, client = UNNAMED, clock = systemClock } = options
  const { performIntervalMs = 0, graceMs = GRACE_MS } = options
  const { maxPerformItems = 1000, maxPerformBytes = 1 << 20 } = options
  const deadLetter = sinkOf(options.deadLetter, { clock, client })
  const { attempts = attemptsOf(deadLetter) } = options
  const backoff = backoffOf('Journal.open', options, { firstMs: FIRST_MS, maxMs: MAX_MS })
  checkRange({ performIntervalMs }, 0)
  checkRange({ graceMs }, 0, MAX_TIMER_MS)
  checkRange({ attempts, maxPerformItems, maxPerformBytes }, 1)
  return {
    queue,
    client,
    codec: options.codec ?? (bytes as Codec<Out & Uint8Array, never>),
    performIntervalMs,
    backoff,
    deadLetter,
    attempts,
    isolateAfter:
      attempts === Number.POSITIVE_INFINITY ? attempts : Math.min(ISOLATE_AFTER, attempts),
    maxPerformItems,
    maxPerformBytes,
    graceMs,
    clock,
  }
}
