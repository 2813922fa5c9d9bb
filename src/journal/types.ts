import type { Clock } from '../clock.ts'
import type { Codec } from '../codec/codec.ts'
import type { Position } from '../position.ts'
import type { DeadLetterSink } from '../ring/queue/process/types.ts'
import type { WriterOptions } from '../ring/queue/writer-options.ts'
import type { NewRingOptions } from '../ring/types.ts'
import type { BackoffOptions } from '../tasks/backoff.ts'
import type { WaitingOptions } from '../util/waiting.ts'

/** Passed to {@link Perform} besides the operations. */
export interface PerformContext {
  /** Which attempt at exactly these operations this is, from 1, since the journal was started. */
  readonly attempt: number
  /**
   * True if any of the operations may have run before, completely or in part: true after a failed attempt, and for
   * operations found on the device at start. False guarantees that none has.
   */
  readonly mayHaveRun: boolean
  /** Aborted on close, which then waits for `graceMs`; a later result is ignored. */
  readonly signal: AbortSignal
}

/** {@link Perform} may return it instead of throwing. An `error` of undefined or null means success. */
export interface PerformFailure {
  /** The error. */
  readonly error: unknown
}

/**
 * Performs operations, in their order. They count as performed when the promise resolves without an `error`; a
 * rejection and an `error` are failures, after which all of these operations are retried. So every operation has to
 * be idempotent, even after a partial run.
 */
export type Perform<Op> = (
  operations: readonly Op[],
  context: PerformContext,
) => Promise<PerformAnswer>

/** Nothing, or why it failed. */
// biome-ignore lint/suspicious/noConfusingVoidType: `async` functions that return nothing answer void.
export type PerformAnswer = PerformFailure | undefined | void

/** Options of `Journal.open`. `Out` is performed, `In` is pushed; see {@link Codec}. */
export interface JournalOptions<Out, In = Out>
  extends Pick<
    WriterOptions<In>,
    'refreshIntervalMs' | 'maxPollMs' | 'maxQueuedItems' | 'maxQueuedBytes' | 'maxItemBytes'
  > {
  /** The queue's name, a label in the slots or pointer sectors of the roles. Default `unknown journal`. */
  readonly queue?: string
  /** The program's name, written likewise. Default `unknown`. */
  readonly client?: string
  /** Create the journal if the device is blank, as the options say. Default true. */
  readonly createIfMissing?: boolean | NewRingOptions
  /** Turns operations into bytes and back. Default: operations are bytes. */
  readonly codec?: Codec<Out, In>
  /**
   * Time that a pushed operation may wait to be performed with others, counted from the push of the first one that
   * waits, in milliseconds. Default 0. `Infinity`: until a `performNow`, or until the journal is full.
   */
  readonly performIntervalMs?: number
  /**
   * Attempts at an operation alone before it is given up: it goes to the dead letters, or the journal ends with
   * `JOURNAL_STOPPED`, and the operation stays on the device. Default: 10 with a `deadLetter`, otherwise no limit. A
   * group that keeps failing is performed one by one, so that only the failing operation is given up.
   */
  readonly attempts?: number
  /** The pauses after failures. Default: 5,000 ms after the first, at most 300,000. */
  readonly backoff?: BackoffOptions
  /**
   * Where operations go that are given up, or do not decode, as in `RingReader.process`. The journal skips an operation
   * once it is durable there. Default: none; an operation that does not decode ends the journal with
   * `JOURNAL_UNDECODABLE`.
   */
  readonly deadLetter?: DeadLetterSink<Out>
  /** The most operations in a group that is read and performed together. Default 1,000. */
  readonly maxPerformItems?: number
  /** A group ends with the operation that reaches this many bytes. Default 1 MiB. */
  readonly maxPerformBytes?: number
  /** Time that `close` waits for a running `perform` after aborting its signal, in milliseconds. Default 1,000. */
  readonly graceMs?: number
  /** Closes the journal when it is aborted; until `Journal.open` has resolved, that rejects with its reason. */
  readonly signal?: AbortSignal
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** A number from 0 (included) to 1 (excluded), for the pauses' jitter. Default `Math.random`. */
  readonly random?: () => number
}

/** An operation that is durable: it will be performed at least once, by this journal or a later one. */
export interface Receipt {
  /** Position after the operation. */
  readonly position: Position
  /**
   * Resolves when the operation was performed and that is on stable storage. Rejects with a {@link JournalError}:
   * `JOURNAL_DEAD_LETTERED` if it was skipped, or why the journal ended first. A rejection may go unhandled.
   */
  readonly done: Promise<void>
  /**
   * Waits for `done`.
   * @throws as `done` rejects
   * @throws the signal's reason, which ends only the waiting
   */
  sync(options?: WaitingOptions): Promise<void>
  /**
   * Performs everything pushed up to here now, not only after `performIntervalMs`. A pause after a failure is not
   * cut short.
   */
  performNow(): void
}

/** A journal's state. */
export interface JournalStatus {
  /** True if it still takes operations. */
  readonly state: 'running' | 'ended'
  /** Operations that are durable and not performed; undefined while those found at start are performed. */
  readonly pendingOperations: number | undefined
  /** Their size in the ring in bytes, including those being pushed. */
  readonly pendingBytes: number
  /** Pushes that are not durable yet, usually because there is no room. */
  readonly queuedPushes: number
  /** The attempt in progress, or the last one that failed; 0 if there is none. */
  readonly attempt: number
  /** The error of the last attempt; undefined after a success, and before the first attempt. */
  readonly lastError: unknown
  /** Milliseconds until the next attempt, in a pause after a failure. */
  readonly nextRetryInMs: number | undefined
}
