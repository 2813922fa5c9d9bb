import type { BlockDevice } from '../../../block/device.ts'
import type { Position } from '../../../position.ts'
import type { BackoffOptions } from '../../../tasks/backoff.ts'
import type { RingRole } from '../../types.ts'
import type { HandleNames, ReceivedEntry } from '../events.ts'
import type { HandlerVerdict } from './handler-verdict.ts'

/** An item that is being handled. */
export interface Job {
  /** The position after the item: unique in the ring. */
  readonly position: Position
  /** As in `RingEntry`. */
  readonly number: number | undefined
  /** As in `RingEntry`. */
  readonly pushedAt: number | undefined
  /** As in `RingEntry`. */
  readonly missed: number | undefined
  /** Which attempt at this item it is, from 1; with `attemptStore` since the item was pushed, otherwise since `process` was called. */
  readonly attempt: number
  /**
   * True if the item may have been handled before, completely or in part: true after a failed attempt, and for items that were in
   * the ring when `process` was called. False guarantees that it was not.
   */
  readonly mayHaveRun: boolean
  /** Aborted when `process` waits for the handler no longer; its result is ignored then. */
  readonly signal: AbortSignal
  /** To be returned by the handler: try again. It is a failed attempt, as throwing is. The last of `retry()` and `giveUp()` called wins, returned or not. */
  retry(options?: RetryOptions): HandlerVerdict
  /** To be returned by the handler: no attempt can help. The item goes to the dead letters, or `process` ends if it has none. */
  giveUp(reason: unknown): HandlerVerdict
}

/** How to try again. */
export interface RetryOptions {
  /** The pause before the next attempt, in milliseconds. Default: as `backoff` says. */
  readonly afterMs?: number
  /** Why, for the dead letter and the diagnostics channel. */
  readonly reason?: unknown
}

/**
 * Handles an item. The item is acknowledged when this returns; it is tried again when it throws, rejects or answers `job.retry()`;
 * and given up when it answers `job.giveUp()`. After a crash the item comes again: so it has to be idempotent.
 */
export type Handler<Out> = (item: Out, job: Job) => unknown

/** An item that was given up, to look at or to repair. */
export interface DeadLetter<Out> {
  /** Absent if it does not decode. */
  readonly item?: Out
  /** The item's bytes in the ring. */
  readonly bytes: Uint8Array
  /** Which ring: its UUID, or its device's name in format 1. With `position` it tells an item from all others. */
  readonly ring: string
  /** The position after the item, as `formatPosition` shows it. */
  readonly position: string
  /** When it was pushed, in milliseconds since 1970; undefined in format 1. */
  readonly pushedAt: number | undefined
  /** How often it was tried; 0 if it does not decode. */
  readonly attempts: number
  /** Why it was given up: what the last attempt threw or answered, or the `CodecError`. */
  readonly error: unknown
}

/** What takes items that are encoded already: a `RingWriter`, whatever its codec is. */
export interface EncodedSink {
  /** Pushes an encoded item; resolves once it is durable. */
  pushEncoded(bytes: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Position>
}

/** Hands a dead letter over: it is on stable storage when this resolves. After a crash, the same one may come again. */
export type DeadLetterFunction<Out> = (
  letter: DeadLetter<Out>,
  options: { readonly signal: AbortSignal },
) => Promise<void>

/** Where dead letters go. */
export type DeadLetterSink<Out> = BlockDevice | EncodedSink | DeadLetterFunction<Out>

/**
 * Counts attempts at items across crashes: a `Map`, or something on stable storage. A key is `UUID/EPOCH:ITEM`, in format 1 the device's
 * name and an offset: the same for an item in every run, and unique among rings.
 */
export interface AttemptStore {
  /** How often the item was tried; undefined if never. */
  get(key: string): number | undefined | Promise<number | undefined>
  /** Called before each attempt. */
  set(key: string, attempts: number): unknown
  /** The item has been dealt with. */
  delete(key: string): unknown
}

/** How items are handled. */
export interface ProcessOptions<Out> {
  /** How many items are handled at the same time. Default 1. */
  readonly concurrency?: number
  /**
   * Attempts at an item before it is given up. Default: 10 with a `deadLetter`, otherwise no limit. Without a `deadLetter`,
   * giving up an item ends `process`, and the item stays in the ring.
   */
  readonly attempts?: number
  /** The pauses between attempts; half of each is random. Other items continue meanwhile. */
  readonly backoff?: BackoffOptions
  /**
   * Where items go that are given up: a device with a ring, a writer of bytes, or a function. It is durable there before the item is
   * acknowledged, so a crash between the two may hand it over twice: `ring` and `position` tell. A ring gets envelopes, which the
   * codec `deadLetters` reads. It is tried again, after the same pauses, until it succeeds.
   */
  readonly deadLetter?: DeadLetterSink<Out>
  /**
   * What becomes of an item that does not decode: `deadLetter`; `skip` acknowledges it; `stop` ends `process`. Default: `deadLetter` if there
   * is one, otherwise `stop`.
   */
  readonly onUndecodable?: 'deadLetter' | 'skip' | 'stop'
  /** Items of the same key are handled one after the other, in their order. Undefined: in no order. Default: in no order. */
  readonly keyOf?: (item: Out) => string | number | bigint | undefined
  /**
   * The writer of the same ring. An item that keeps failing while all that may be delivered (`maxUnacked`) waits for it goes to the
   * end of the ring, if there is room; it is durable there before it is acknowledged. Its attempts keep counting. An item with a
   * key keeps its place: it would come after others of its key. Default: the others wait.
   */
  readonly requeueTo?: EncodedSink & {
    /** Of the same ring. */
    readonly producer: RingRole
  }
  /** Counts attempts across crashes. Default: they are counted in memory. */
  readonly attemptStore?: AttemptStore
  /** How much of the items is held in memory, in bytes as they are in the ring. Default 64 MiB; one more item is always taken. */
  readonly maxHeldBytes?: number
  /** How long handlers under way may continue once it stops, in milliseconds. Default 10,000; `Infinity` waits for them. */
  readonly graceMs?: number
  /** As of `ReceiveManyOptions`: an item is good until it is settled. Default false. */
  readonly views?: boolean
  /** Resolve once the ring is empty and all items are handled. Default false: wait for more. */
  readonly untilEmpty?: boolean
  /** Stops `process`. */
  readonly signal?: AbortSignal
  /** A number from 0 (included) to 1 (excluded), for the pauses' jitter. Default `Math.random`. */
  readonly random?: () => number
}

/** What `process` did. */
export interface ProcessSummary {
  /** Items whose handler succeeded, and that were acknowledged. */
  readonly handled: number
  /** Attempts that failed. */
  readonly failedAttempts: number
  /** Items that became dead letters. */
  readonly deadLettered: number
  /** Items that were put at the end of the ring. */
  readonly requeued: number
  /** Items that do not decode, and were acknowledged without a dead letter. */
  readonly skipped: number
  /** Items that were given up, and had been overwritten by then, in a ring that overwrites the oldest. */
  readonly overwritten: number
  /** Handlers that were under way when `graceMs` was over. Their items come again. */
  readonly abandoned: number
}

/** Attempts that succeeded one after the other, with the same number, and that were timed together. */
export interface SucceededAttempts {
  /** How many attempts. */
  readonly count: number
  /** Which attempt it was, from 1. */
  readonly attempt: number
  /** How long each handler took: the mean. */
  readonly durationMs: number
}

/** Where {@link WorkEvent}s are published. */
export const WORK_CHANNEL = 'shared-block-ring:work'

/** What is published on the diagnostics channel `shared-block-ring:work`. */
export type WorkEvent = HandleNames &
  (
    | {
        /** Handlers succeeded, and their items were acknowledged together: one message, as of a commit, however many they are. */
        readonly event: 'handled'
        /** The items, in the order in which their handlers ended. */
        readonly entries: readonly ReceivedEntry[]
        /** The attempts that succeeded, each for `count` of them one after the other. */
        readonly succeeded: readonly SucceededAttempts[]
      }
    | ({
        /** The position after the item. */
        readonly position: Position
      } & (
        | {
            /** A handler failed, or answered that it did; what comes next is another event, if it comes. */
            readonly event: 'failed'
            /** Which attempt, from 1. */
            readonly attempt: number
            /** How long the handler took. */
            readonly durationMs: number
            /** What the handler threw, or the reason that it gave. */
            readonly error: unknown
          }
        | {
            /** An attempt failed, and is repeated after a pause. */
            readonly event: 'retried'
            /** What failed: the handler, the hand-over to the dead letters or to `requeueTo`, or the attempt store. */
            readonly what: 'handler' | 'deadLetter' | 'requeue' | 'attemptStore'
            /** Which attempt failed, from 1. */
            readonly attempt: number
            /** Why. */
            readonly error: unknown
            /** The pause, in milliseconds. */
            readonly delayMs: number
          }
        | {
            /** An item was given up: it is durable among the dead letters, and acknowledged. */
            readonly event: 'deadLettered'
            /** How many attempts there were; 0 if it does not decode. */
            readonly attempts: number
            /** Why it was given up. */
            readonly error: unknown
          }
        | {
            /** An item went to `requeueTo`. */
            readonly event: 'requeued'
            /** How many attempts there were. */
            readonly attempts: number
            /** Why the last one failed. */
            readonly error: unknown
          }
        | {
            /** An item does not decode, and was skipped. */
            readonly event: 'skipped'
            /** The `CodecError`. */
            readonly error: unknown
          }
        | {
            /** An item was given up, and had been overwritten by then: there are no bytes to hand over. */
            readonly event: 'overwritten'
          }
      ))
  )
