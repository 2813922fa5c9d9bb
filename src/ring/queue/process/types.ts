import type { BlockDevice } from '../../../block/device.ts'
import type { Position } from '../../../position.ts'
import type { BackoffOptions } from '../../../tasks/backoff.ts'
import type { RingRole } from '../../types.ts'
import type { HandleNames, ReceivedEntry } from '../events.ts'
import type { HandlerVerdict } from './handler-verdict.ts'

/** An item that is being handled. */
export interface Job {
  /** The position after the item, unique in the ring. */
  readonly position: Position
  /** As in `RingEntry`. */
  readonly number: number | undefined
  /** As in `RingEntry`. */
  readonly pushedAt: number | undefined
  /** As in `RingEntry`. */
  readonly missed: number | undefined
  /**
   * The number of this attempt, from 1: with `attemptStore` since the item was pushed, otherwise since `process` was
   * called.
   */
  readonly attempt: number
  /**
   * True if the item may have been handled before, completely or in part: after a failed attempt, and for items that
   * were in the ring when `process` was called. If false, it certainly was not.
   */
  readonly mayHaveRun: boolean
  /** Aborted when `process` no longer waits for the handler, and ignores its result. */
  readonly signal: AbortSignal
  /**
   * Return this from the handler to retry the item. It counts as a failed attempt, as throwing does. If `retry()` and
   * `giveUp()` are both called, the last one counts, returned or not.
   */
  retry(options?: RetryOptions): HandlerVerdict
  /**
   * Return this from the handler if no attempt can help. The item becomes a dead letter; without `deadLetter`,
   * `process` ends.
   */
  giveUp(reason: unknown): HandlerVerdict
}

/** Options of another attempt. */
export interface RetryOptions {
  /** The pause before the next attempt, in milliseconds. Default: by `backoff`. */
  readonly afterMs?: number
  /** The reason, for the dead letter and the diagnostics channel. */
  readonly reason?: unknown
}

/**
 * Handles an item. It is acknowledged when this returns; retried when this throws, rejects or returns `job.retry()`;
 * and given up when this returns `job.giveUp()`. After a crash the item is delivered again, so handling must be
 * idempotent.
 */
export type Handler<Out> = (item: Out, job: Job) => unknown

/** An item that was given up, for inspection or repair. */
export interface DeadLetter<Out> {
  /** Absent if it does not decode. */
  readonly item?: Out
  /** The item's bytes in the ring. */
  readonly bytes: Uint8Array
  /**
   * Identifies the ring: its UUID, or its device's name in format 1. Together with `position` it identifies the item.
   */
  readonly ring: string
  /** The position after the item, as text; see `formatPosition`. */
  readonly position: string
  /** Push time, in milliseconds since 1970; undefined in format 1. */
  readonly pushedAt: number | undefined
  /** The number of attempts; 0 if it does not decode. */
  readonly attempts: number
  /** The reason: the error or verdict of the last attempt, or the `CodecError`. */
  readonly error: unknown
}

/** Accepts encoded items: a `RingWriter`, whatever its codec. */
export interface EncodedSink {
  /** Pushes an encoded item; resolves once it is durable. */
  pushEncoded(bytes: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Position>
}

/**
 * Hands over a dead letter, which is on stable storage when this resolves. After a crash, the same one may be handed
 * over again.
 */
export type DeadLetterFunction<Out> = (
  letter: DeadLetter<Out>,
  options: { readonly signal: AbortSignal },
) => Promise<void>

/** The destination of dead letters. */
export type DeadLetterSink<Out> = BlockDevice | EncodedSink | DeadLetterFunction<Out>

/**
 * Counts attempts across crashes: a `Map`, or something on stable storage. A key is `UUID/EPOCH:ITEM`, in format 1 the
 * device's name and an offset. It is the same for an item in every run, and unique among rings.
 */
export interface AttemptStore {
  /** The number of attempts at the item; undefined if there were none. */
  get(key: string): number | undefined | Promise<number | undefined>
  /** Called before each attempt. */
  set(key: string, attempts: number): unknown
  /** Called when the outcome of the item is decided. */
  delete(key: string): unknown
}

/** A failed attempt, as `onFailed` gets it. */
export interface FailedAttempt {
  /**
   * The failed step: the handler, the hand-over to the dead letters or to `requeueTo`, or the attempt store.
   */
  readonly what: 'handler' | 'deadLetter' | 'requeue' | 'attemptStore'
  /** The number of the attempt, from 1. */
  readonly attempt: number
  /** The device's `name`. */
  readonly device: string
  /** The position after the item. */
  readonly position: Position
  /** As in `RingEntry`. */
  readonly number: number | undefined
}

/** Options of processing. */
export interface ProcessOptions<Out> {
  /** The number of items handled at the same time. Default 1. */
  readonly concurrency?: number
  /**
   * Attempts at an item before it is given up. Default: 10 with a `deadLetter`, otherwise no limit. Without a
   * `deadLetter`, giving up an item ends `process`, and the item stays in the ring.
   */
  readonly attempts?: number
  /** The pauses between attempts; half of each is random. Other items continue meanwhile. */
  readonly backoff?: BackoffOptions
  /**
   * The destination of items that are given up: a device with a ring, a writer of bytes, or a function. A dead letter
   * is durable there before the item is acknowledged, so a crash in between may hand it over twice; `ring` and
   * `position` identify duplicates. A ring gets envelopes, which the codec `deadLetters` reads. A hand-over that fails
   * is retried, with the same pauses, until it succeeds.
   */
  readonly deadLetter?: DeadLetterSink<Out>
  /**
   * The treatment of an item that does not decode: `deadLetter`; `skip` acknowledges it; `stop` ends `process`.
   * Default: `deadLetter` if there is one, otherwise `stop`.
   */
  readonly onUndecodable?: 'deadLetter' | 'skip' | 'stop'
  /**
   * The order key of an item. Items with the same key are handled one after the other, in their order; items without
   * one in any order. Default: in any order.
   */
  readonly keyOf?: (item: Out) => string | number | bigint | undefined
  /**
   * The writer of the same ring. An item that keeps failing, while all other deliveries (`maxUnacked`) wait for it,
   * goes to the end of the ring if there is room; it is durable there before it is acknowledged. Its attempts continue
   * to count. An item with a key is not moved, because it would come after others of its key. Default: the others wait.
   */
  readonly requeueTo?: EncodedSink & {
    /** Of the same ring. */
    readonly producer: RingRole
  }
  /**
   * Called for each attempt that fails, with what it threw or the reason that it gave; what comes next is decided as
   * always. If it throws, `process` ends with that. Default: nothing is called, and an item that keeps failing shows
   * only in `shared-block-ring:work`.
   */
  readonly onFailed?: (error: unknown, failed: FailedAttempt) => void
  /** Counts attempts across crashes. Default: they are counted in memory. */
  readonly attemptStore?: AttemptStore
  /** The most bytes of items held in memory, as encoded in the ring. Default 64 MiB; one more item is always taken. */
  readonly maxHeldBytes?: number
  /**
   * The time that running handlers get to finish once it stops, in milliseconds. Default 10,000; `Infinity` waits for
   * them.
   */
  readonly graceMs?: number
  /** As in `ReceiveManyOptions`; an item's view is valid until the item is settled. Default false. */
  readonly views?: boolean
  /** Resolve once the ring is empty and all items are handled. Default false: wait for more. */
  readonly untilEmpty?: boolean
  /** Stops `process`. */
  readonly signal?: AbortSignal
  /** A number from 0 (included) to 1 (excluded), for the pauses' jitter. Default `Math.random`. */
  readonly random?: () => number
}

/** The counts of a call of `process`. */
export interface ProcessSummary {
  /** Items whose handler succeeded, and that are acknowledged. */
  readonly handled: number
  /** Attempts that failed. */
  readonly failedAttempts: number
  /** Items that became dead letters. */
  readonly deadLettered: number
  /** Items moved to the end of the ring. */
  readonly requeued: number
  /** Items that do not decode, acknowledged without a dead letter. */
  readonly skipped: number
  /** Items given up after they had been overwritten, in a ring that overwrites the oldest. */
  readonly overwritten: number
  /** Handlers still running after `graceMs`. Their items are delivered again. */
  readonly abandoned: number
}

/** Consecutive attempts that succeeded, with the same number, and that were timed together. */
export interface SucceededAttempts {
  /** The number of attempts. */
  readonly count: number
  /** The number of the attempt, from 1. */
  readonly attempt: number
  /** The mean duration of the handlers. */
  readonly durationMs: number
}

/** The channel of {@link WorkEvent}s. */
export const WORK_CHANNEL = 'shared-block-ring:work'

/** Published on the diagnostics channel `shared-block-ring:work`. */
export type WorkEvent = HandleNames &
  (
    | {
        /**
         * Handlers succeeded, and one write acknowledged their items. One event per write, however many items it
         * covers.
         */
        readonly event: 'handled'
        /** The items, in the order in which their handlers ended. */
        readonly entries: readonly ReceivedEntry[]
        /** The attempts that succeeded, each entry for `count` consecutive ones. */
        readonly succeeded: readonly SucceededAttempts[]
      }
    | ({
        /** The position after the item. */
        readonly position: Position
      } & (
        | {
            /** A handler failed, or returned a verdict. The next step, if any, is another event. */
            readonly event: 'failed'
            /** The number of the attempt, from 1. */
            readonly attempt: number
            /** Duration of the handler. */
            readonly durationMs: number
            /** The error of the handler, or the reason of its verdict. */
            readonly error: unknown
          }
        | {
            /** An attempt failed, and is repeated after a pause. */
            readonly event: 'retried'
            /** As in `FailedAttempt`. */
            readonly what: FailedAttempt['what']
            /** The number of the failed attempt, from 1. */
            readonly attempt: number
            /** The error. */
            readonly error: unknown
            /** The pause, in milliseconds. */
            readonly delayMs: number
          }
        | {
            /** An item was given up: it is a durable dead letter, and acknowledged. */
            readonly event: 'deadLettered'
            /** The number of attempts; 0 if it does not decode. */
            readonly attempts: number
            /** The reason. */
            readonly error: unknown
          }
        | {
            /** An item went to `requeueTo`. */
            readonly event: 'requeued'
            /** The number of attempts. */
            readonly attempts: number
            /** The error of the last one. */
            readonly error: unknown
          }
        | {
            /** An item that does not decode was skipped. */
            readonly event: 'skipped'
            /** The `CodecError`. */
            readonly error: unknown
          }
        | {
            /** An item was given up after it had been overwritten, so there are no bytes to hand over. */
            readonly event: 'overwritten'
          }
      ))
  )
