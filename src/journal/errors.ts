import { CodedError, kindOf, markKind } from '../errors.ts'
import { errorText } from '../util/error-text.ts'
import { UNNAMED_JOURNAL } from './settings.ts'

/** Codes of {@link JournalError}. */
export type JournalErrorCode =
  /** The journal was closed first. What was pushed stays on the device, for the next start. */
  | 'JOURNAL_CLOSED'
  /** An operation kept failing, and there is no `deadLetter`. It stays on the device. */
  | 'JOURNAL_STOPPED'
  /** An operation does not decode, and there is no `deadLetter`. It stays on the device. */
  | 'JOURNAL_UNDECODABLE'
  /** The operation kept failing, and was handed to the dead letter and skipped. */
  | 'JOURNAL_DEAD_LETTERED'
  /** The device or the ring failed (see the cause), or did not respond: start again once it works. */
  | 'JOURNAL_DEVICE'

/** The names of a journal. */
export interface JournalNames {
  /** The device's `name`. */
  readonly device: string
  /** The journal's name. */
  readonly journal: string
}

/** The names of a journal, and the operation. */
export interface JournalErrorDetails extends JournalNames {
  /** Position after the operation, as `formatPosition` shows it, if it is about one. */
  readonly position?: string
  /** The number of attempts at the operation alone, or in its last group. 0: it does not decode. */
  readonly attempts?: number
}

/**
 * A journal ended, or an operation will not be performed.
 *
 * @example
 * ```ts
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { isJournalError, Journal } from 'shared-block-ring/journal'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * const journal = await Journal.open(device, async () => undefined)
 * await journal.close()
 * try {
 *   await journal.push(new Uint8Array(1))
 * } catch (error) {
 *   if (!isJournalError(error)) throw error
 *   console.log(error.code) // JOURNAL_CLOSED
 * }
 * ```
 */
export class JournalError extends CodedError<JournalErrorCode, JournalErrorDetails> {
  override readonly name = 'JournalError'
}

markKind(JournalError, 'journal')

/** True if a value is a {@link JournalError}, of this copy of the package or another. */
export function isJournalError(value: unknown): value is JournalError {
  return kindOf(value) === 'journal'
}

/** An operation that was given up. */
export interface GivenUp {
  /** The position after it, as text. */
  readonly position: string
  readonly attempts: number
  readonly error: unknown
}

function named({ journal }: JournalNames): string {
  return journal === UNNAMED_JOURNAL ? 'journal' : `journal ${journal}`
}

function journalAt(where: JournalNames): string {
  return `${named(where)} on ${where.device}`
}

/** The journal was closed. */
export function closed(where: JournalNames, cause?: unknown): JournalError {
  const message =
    `The ${journalAt(where)} was closed; operations that were not performed stay there, and ` +
    'are performed after the next start'
  return new JournalError('JOURNAL_CLOSED', message, where, cause)
}

/** An operation was given up, and there is no dead letter. */
export function stopped(where: JournalNames, { position, attempts, error }: GivenUp): JournalError {
  const decodes = attempts > 0
  const message =
    `The ${journalAt(where)} stopped: the operation that ends at position ${position} ` +
    `${decodes ? `failed ${attempts} times` : 'does not decode'} (see the cause). Neither it nor any later operation ` +
    'was performed; they stay on the device. Fix the cause and start again, or start with a deadLetter to skip it'
  const code = decodes ? 'JOURNAL_STOPPED' : 'JOURNAL_UNDECODABLE'
  return new JournalError(code, message, { ...where, position, attempts }, error)
}

/** An operation was given up and skipped. */
export function deadLettered(
  where: JournalNames,
  { position, attempts, error }: GivenUp,
): JournalError {
  const message =
    `The operation that ends at position ${position} of the ${journalAt(where)} was ` +
    'given up (see the cause) and handed to the dead letter'
  const details = { ...where, position, attempts }
  return new JournalError('JOURNAL_DEAD_LETTERED', message, details, error)
}

/** A pushed operation is missing. */
export function missing(where: JournalNames, found: string, pushedUpTo: string): JournalError {
  const message =
    `The ${journalAt(where)} has nothing to read at position ${found}, but operations up ` +
    `to ${pushedUpTo} were pushed; is another program writing to this device?`
  return new JournalError('JOURNAL_DEVICE', message, { ...where, position: found })
}

/** The device did not respond during close. */
export function unanswered(where: JournalNames): JournalError {
  const message =
    `The device ${where.device} did not answer while the ${named(where)} was closed, so it is unknown ` +
    'whether the operation was stored; if it was, it is performed after the next start'
  return new JournalError('JOURNAL_DEVICE', message, where)
}

/** The error that ends a journal: the error itself if it is one of ours, or a failure of the device. */
export function endedBy(where: JournalNames, cause: unknown): JournalError {
  if (isJournalError(cause)) return cause
  const message =
    `The ${journalAt(where)} ended, because the device or the ring failed: ${errorText(cause)}. ` +
    'Start it again once that is fixed'
  return new JournalError('JOURNAL_DEVICE', message, where, cause)
}
