import type { Clock } from '../../../clock.ts'
import { attemptsOf, type Backoff, backoffOf } from '../../../tasks/backoff.ts'
import { checkRange, checkWhole } from '../../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../../util/options.ts'
import { isEncodedSink, sinkOf } from './dead-letter-ring.ts'
import type { AttemptStore, DeadLetterFunction, ProcessOptions } from './types.ts'

/** The options of `RingReader.process`, validated and complete. */
export interface ProcessSettings<Out> {
  readonly concurrency: number
  readonly attempts: number
  readonly backoff: Backoff
  readonly deadLetter: DeadLetterFunction<Out> | undefined
  readonly onUndecodable: 'deadLetter' | 'skip' | 'stop'
  readonly keyOf: ProcessOptions<Out>['keyOf']
  readonly requeueTo: ProcessOptions<Out>['requeueTo']
  readonly attemptStore: ProcessOptions<Out>['attemptStore']
  readonly onFailed: ProcessOptions<Out>['onFailed']
  readonly maxHeldBytes: number
  readonly graceMs: number
  readonly views: boolean
  readonly untilEmpty: boolean
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
}

const CALL = 'RingReader.process'
const FIRST_MS = 1000
const MAX_MS = 60_000
const MAX_HELD_BYTES = 64 << 20
const GRACE_MS = 10_000
/** More than any program needs. Each handler costs some memory up front. */
const MAX_CONCURRENCY = 65_536

const KINDS: OptionKinds<ProcessOptions<never>> = {
  concurrency: 'number',
  attempts: 'number',
  backoff: 'object',
  deadLetter: ['object', 'function'],
  onUndecodable: { oneOf: ['deadLetter', 'skip', 'stop'] },
  keyOf: 'function',
  requeueTo: 'object',
  attemptStore: 'object',
  onFailed: 'function',
  maxHeldBytes: 'number',
  graceMs: 'number',
  views: 'boolean',
  untilEmpty: 'boolean',
  signal: 'signal',
  random: 'function',
}

/**
 * Validates and completes the options of `RingReader.process`.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function processSettings<Out>(
  options: ProcessOptions<Out>,
  { clock, client }: { readonly clock: Clock; readonly client: string },
): ProcessSettings<Out> {
  checkOptions(CALL, options, KINDS)
  const { concurrency = 1, keyOf, requeueTo, attemptStore, onFailed, signal } = options
  const { untilEmpty = false, views = false } = options
  const backoff = backoffOf(CALL, options, { firstMs: FIRST_MS, maxMs: MAX_MS })
  const { maxHeldBytes = MAX_HELD_BYTES, graceMs = GRACE_MS } = options
  const deadLetter = sinkOf(options.deadLetter, { clock, client })
  const { attempts = attemptsOf(deadLetter) } = options
  const { onUndecodable = deadLetter === undefined ? 'stop' : 'deadLetter' } = options
  checkWhole({ concurrency }, 1, MAX_CONCURRENCY)
  checkRange({ attempts, maxHeldBytes }, 1)
  checkRange({ graceMs }, 0)
  if (onUndecodable === 'deadLetter' && deadLetter === undefined) {
    throw new RangeError("onUndecodable: 'deadLetter' needs a deadLetter")
  }
  if (requeueTo !== undefined && !isEncodedSink(requeueTo)) {
    throw new TypeError(`${CALL}: requeueTo is the RingWriter of the same ring`)
  }
  if (attemptStore !== undefined && !isStore(attemptStore)) {
    throw new TypeError(`${CALL}: attemptStore has get, set and delete, as a Map has`)
  }
  const policy = { concurrency, attempts, backoff, deadLetter }
  const limits = { maxHeldBytes, graceMs, untilEmpty, views, signal, clock }
  return { ...policy, onUndecodable, keyOf, requeueTo, attemptStore, onFailed, ...limits }
}

function isStore({ get, set, delete: forget }: Partial<AttemptStore>): boolean {
  return [get, set, forget].every((method) => typeof method === 'function')
}
