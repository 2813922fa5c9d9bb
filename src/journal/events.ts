import type { Position } from '../position.ts'
import { channel, type EventDetails } from '../util/diagnostics.ts'
import type { JournalError, Where } from './errors.ts'

/** What is published on the diagnostics channel `shared-block-ring:journal`. Positions are as in a receipt. */
export type JournalEvent = Where &
  (
    | {
        /** Operations were performed, and that is on stable storage. */
        readonly event: 'performed'
        readonly operations: number
        readonly position: Position
        readonly attempt: number
        readonly mayHaveRun: boolean
        /** How long the call of `perform` took. */
        readonly durationMs: number
      }
    | {
        /** An attempt failed, and is repeated after a pause. */
        readonly event: 'retried'
        /** What failed: the call of `perform`, or handing over a dead letter. */
        readonly what: 'perform' | 'deadLetter'
        readonly operations: number
        readonly position: Position
        readonly attempt: number
        readonly error: unknown
        readonly delayMs: number
      }
    | {
        /** An operation was handed to the dead letter, and skipped. */
        readonly event: 'deadLettered'
        readonly position: Position
        readonly attempts: number
        readonly error: unknown
      }
    | {
        /** The journal ended: `JOURNAL_CLOSED` if it was closed. */
        readonly event: 'ended'
        readonly error: JournalError
      }
  )

const events = channel('shared-block-ring:journal')

/** An event without the names. */
export type UnnamedJournalEvent = EventDetails<JournalEvent, keyof Where>

/** Publishes what happened to a journal. */
export function publishJournalEvent(where: Where, event: UnnamedJournalEvent): void {
  if (events.hasSubscribers) events.publish({ ...where, ...event })
}
