/**
 * A journal: operations that are performed at least once, in order, whatever crashes.
 *
 * @module shared-block-ring/journal
 */
export {
  isJournalError,
  JournalError,
  type JournalErrorCode,
  type JournalErrorDetails,
  type JournalNames,
} from './errors.ts'
export type { JournalEvent } from './events.ts'
export { Journal } from './journal.ts'
export type {
  JournalOptions,
  JournalStatus,
  Perform,
  PerformAnswer,
  PerformContext,
  PerformFailure,
  Receipt,
} from './types.ts'
