import type { CodecError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import type { Verdict } from '../../../tasks/scheduler.ts'
import type { RingEntry } from '../entry.ts'
import type { CurrentJob } from './current-job.ts'

/** What is done with an item next: its handler is called, or it goes to the dead letters, or to the end of the ring. */
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
  /** Set once, before it is attempted. */
  key: unknown
  /** Why it has no key, if `keyOf` failed. */
  keyError: Error | undefined
  next: Step
  /** Attempts to handle it; undefined until the store has been asked. */
  attempts: number | undefined
  /** How many attempts had been made when it was last sent to the end of the ring. */
  requeuedAfter: number | undefined
  /** Failures that were not its handler's: of the dead letter, or of the attempt store. */
  failures: number
  /** Why the last attempt failed. */
  error: unknown
  /** What its handler was last called with. */
  job: CurrentJob | undefined
  /** When its handler was called, if events are listened to. */
  startedAt: number | undefined
}

/** What is delivered: an item, or the reason why it cannot be decoded. */
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
