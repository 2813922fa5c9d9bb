import type { Position } from '../position.ts'
import { channel, type EventDetails } from '../util/diagnostics.ts'
import type { JournalError, JournalNames } from './errors.ts'

/** Published on the diagnostics channel `shared-block-ring:journal`. Positions are as in a receipt. */
export type JournalEvent = JournalNames &
  (
    | {
        /** Operations were performed, and that is on stable storage. */
        readonly event: 'performed'
        /** The number of operations. */
        readonly operations: number
        /** The position after the last of them. */
        readonly position: Position
        /** Which attempt, from 1. */
        readonly attempt: number
        /** As in `PerformContext`. */
        readonly mayHaveRun: boolean
        /** Duration of the call of `perform`. */
        readonly durationMs: number
      }
    | {
        /** An attempt failed, and is repeated after a pause. */
        readonly event: 'retried'
        /** The failed step: the call of `perform`, or handing over a dead letter. */
        readonly what: 'perform' | 'deadLetter'
        /** The number of operations. */
        readonly operations: number
        /** The position after the last of them. */
        readonly position: Position
        /** Which attempt failed, from 1. */
        readonly attempt: number
        /** The reason. */
        readonly error: unknown
        /** The pause, in milliseconds. */
        readonly delayMs: number
      }
    | {
        /** An operation was handed to the dead letter, and skipped. */
        readonly event: 'deadLettered'
        /** The position after the operation. */
        readonly position: Position
        /** The number of attempts; 0 if it does not decode. */
        readonly attempts: number
        /** The reason. */
        readonly error: unknown
      }
    | {
        /** The journal ended: `JOURNAL_CLOSED` if it was closed. */
        readonly event: 'ended'
        /** The reason. */
        readonly error: JournalError
      }
  )

const events = channel('shared-block-ring:journal')

/** An event without the names. */
export type UnnamedJournalEvent = EventDetails<JournalEvent, keyof JournalNames>

/** Publishes what happened to a journal. */
export function publishJournalEvent(where: JournalNames, event: UnnamedJournalEvent): void {
  if (events.hasSubscribers) events.publish({ ...where, ...event })
}
