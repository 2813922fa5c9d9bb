import type { CodecError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import type { Verdict } from '../../../tasks/scheduler.ts'
import type { RingEntry } from '../entry.ts'
import type { CurrentJob } from './current-job.ts'

/** The next step for an item: its handler, the dead letters, or the end of the ring. */
export type Step = 'handle' | 'giveUp' | 'requeue'

/** An item that does not decode. */
export interface Undecodable {
  readonly error: CodecError
  readonly position: Position
  readonly storedBytes: number
  readonly pushedAt: undefined
  readonly ack: () => Promise<void>
}

/** An item between its delivery and its settlement. */
export interface ItemTask<Out> {
  readonly entry: Delivered<Out>
  readonly storedBytes: number
  /** Set once, before the first attempt. */
  key: unknown
  /** The reason why it has no key, if `keyOf` failed. */
  keyError: Error | undefined
  next: Step
  /** Attempts to handle it; undefined until the store has returned its count. */
  attempts: number | undefined
  /** Attempts made when it was last sent to the end of the ring. */
  requeuedAfter: number | undefined
  /** Failures that were not its handler's, but the dead letter's or the attempt store's. */
  failures: number
  /** The error of the last attempt. */
  error: unknown
  /** The job of the last call of its handler. */
  job: CurrentJob | undefined
  /** When its handler was called; undefined without subscribers. */
  startedAt: number | undefined
}

/** A delivered item, or the reason why it cannot be decoded. */
export type Delivered<Out> = RingEntry<Out> | Undecodable

/** A task that has just been delivered. */
export function newItemTask<Out>(
  entry: Delivered<Out>,
  next: Step,
  attempts: number | undefined,
): ItemTask<Out> {
  return {
    entry,
    storedBytes: entry.storedBytes,
    key: undefined,
    keyError: undefined,
    next,
    attempts,
    requeuedAfter: undefined,
    failures: 0,
    error: undefined,
    job: undefined,
    startedAt: undefined,
  }
}

/** The outcome of an attempt that called no handler. No handler can return one. */
export class Concluded {
  readonly verdict: Verdict<unknown>

  constructor(verdict: Verdict<unknown>) {
    this.verdict = verdict
  }
}
