import type { Clock } from '../clock.ts'
import type { Codec } from '../codec/codec.ts'
import type { Position } from '../position.ts'
import type { WaitingOptions, WriterOptions } from '../ring/queue/writer.ts'
import type { CreateOptions } from '../ring/types.ts'

/** What a call of {@link Perform} learns besides the operations. */
export interface PerformContext {
  /** Which attempt at exactly these operations this is, from 1, since the journal was started. */
  readonly attempt: number
  /**
   * Whether any of the operations may have run before, completely or in part: true after a failed attempt, and for
   * operations found on the device at start. False guarantees that none has.
   */
  readonly mayHaveRun: boolean
  /** Aborted on close, which then waits for `closeGraceMs`; a later result is ignored. */
  readonly signal: AbortSignal
}

/** {@link Perform} may return it instead of throwing. An `error` of undefined or null means success. */
export interface PerformFailure {
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

/** An operation that was given up, to inspect or to repair. */
export interface DeadLetter<Op> {
  /** Absent if it does not decode. */
  readonly operation?: Op
  /** The operation's bytes on the device. */
  readonly bytes: Uint8Array
  /** Position after the operation: unique in this journal. */
  readonly position: Position
  /** How often it was tried alone; 0 if it does not decode. */
  readonly attempts: number
  /** Why it was given up: the last failure, or a `CodecError`. */
  readonly error: unknown
}

/**
 * Where operations go that are given up: a callback, or the writer of a ring, which gets their bytes unchanged. The
 * journal skips the operation once the promise has resolved, so by then it has to be on stable storage. A failure is
 * retried like one of {@link Perform}. After a crash, the same operation may come again.
 */
export type DeadLetterSink<Op> =
  | ((letter: DeadLetter<Op>, options: { readonly signal: AbortSignal }) => Promise<void>)
  | { push(bytes: Uint8Array, options: WaitingOptions): Promise<Position> }

/**
 * How to treat an operation that keeps failing, or that does not decode:
 * - `retry`: without a limit. An operation that does not decode ends the journal, because retrying cannot help.
 * - `stop`: end the journal with `JOURNAL_STOPPED` or `JOURNAL_UNDECODABLE`; every operation stays on the device.
 * - `deadLetter`: hand it over durably, then skip it.
 *
 * The last two apply after `maxAttempts` attempts at the operation alone: a batch that keeps failing is performed one
 * by one, so that only the failing operation is given up.
 */
export type FailurePolicy<Op> = 'retry' | 'stop' | { readonly deadLetter: DeadLetterSink<Op> }

/** How a journal is started. `Out` is performed, `In` is pushed; see {@link Codec}. */
export interface JournalOptions<Out, In = Out>
  extends Pick<
    WriterOptions<In>,
    'refreshIntervalMs' | 'maxPollMs' | 'maxQueuedItems' | 'maxQueuedBytes' | 'maxItemBytes'
  > {
  /** The queue's name, written as text into the pointer sectors. Default `unknown journal`. */
  readonly name?: string
  /** The program's name, written likewise. Default `unknown`. */
  readonly client?: string
  /** Create the journal if the device is blank, as the options say. Default true. */
  readonly createIfMissing?: boolean | CreateOptions
  /** With `createIfMissing`: create it also where something else is that is no ring. Default false. */
  readonly overwrite?: boolean
  /** Turns operations into bytes and back. Default: operations are bytes. */
  readonly codec?: Codec<Out, In>
  /**
   * How long a pushed operation may wait to be performed with others, counted from the push of the first one that
   * waits. Default 0. `Infinity`: until a `flush`, or until the journal is full.
   */
  readonly flushIntervalMs?: number
  /** The pause after a first failure; it doubles with each further one. Default 5,000. */
  readonly retryIntervalMs?: number
  /** The longest pause after a failure. Default 300,000, or `retryIntervalMs` if that is more. */
  readonly maxRetryIntervalMs?: number
  /** Default `retry`. */
  readonly onFailure?: FailurePolicy<Out>
  /** Attempts at one operation before `stop` or `deadLetter` applies. Default 10. */
  readonly maxAttempts?: number
  /** At most this many operations are read and performed at once. Default 1,000. */
  readonly maxBatchItems?: number
  /** A batch ends with the operation that reaches this many bytes. Default 1 MiB. */
  readonly maxBatchBytes?: number
  /** How long `close` waits for a `perform` under way, after aborting its signal. Default 1,000. */
  readonly closeGraceMs?: number
  /** Closes the journal when it is aborted; before it has started, `start` rejects with its reason. */
  readonly signal?: AbortSignal
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** A number from 0 (included) to 1 (excluded), for the pauses' jitter. Default `Math.random`. */
  readonly random?: () => number
}

/** An operation that is durable: it will be performed at least once, by this journal or a later start. */
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
   * Asks for performing all that was pushed up to here now, not only after `flushIntervalMs`. A pause after a
   * failure is not cut short.
   */
  flush(): void
}

/** A journal's state. */
export interface JournalStatus {
  readonly state: 'running' | 'ended'
  /** Operations that are durable and not performed; undefined while those found at start are performed. */
  readonly pendingItems: number | undefined
  /** What they take in the ring, in bytes, with those being pushed. */
  readonly pendingBytes: number
  /** Pushes that are not durable yet: for want of room, usually. */
  readonly waitingPushes: number
  /** The attempt in progress, or the last one that failed; 0 if there is none. */
  readonly attempt: number
  /** Why the last attempt failed; undefined after a success, and before the first attempt. */
  readonly lastError: unknown
  /** Time until the next attempt, in a pause after a failure. */
  readonly nextRetryInMs: number | undefined
}
