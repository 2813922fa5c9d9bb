import { CodedError, kindOf, markKind } from '../../../errors.ts'

/** Codes of {@link WorkError}. */
export type WorkErrorCode =
  /** An item was given up without a `deadLetter`. It stays in the ring. */
  | 'WORK_GIVEN_UP'
  /** An item does not decode, and neither `deadLetter` nor `onUndecodable` handles it. It stays in the ring. */
  | 'WORK_UNDECODABLE'

/** Identifies the item. */
export interface WorkErrorDetails {
  /** The device's `name`. */
  readonly device: string
  /** The position after the item, as text; see `formatPosition`. */
  readonly position: string
  /** The number of attempts; 0 if it does not decode. */
  readonly attempts: number
}

/**
 * `RingReader.process` ended, because an item can neither be handled nor skipped.
 *
 * @example
 * ```ts
 * import { isWorkError, RingReader, RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * await using writer = await RingWriter.open(device, { createIfMissing: true })
 * await writer.push(new Uint8Array(1))
 * await using reader = await RingReader.open(device)
 * try {
 *   await reader.process((_, job) => job.giveUp('no such user'), { untilEmpty: true })
 * } catch (error) {
 *   if (!isWorkError(error)) throw error
 *   console.log(error.code) // WORK_GIVEN_UP
 * }
 * ```
 */
export class WorkError extends CodedError<WorkErrorCode, WorkErrorDetails> {
  override readonly name = 'WorkError'
}

markKind(WorkError, 'work')

/** True if a value is a {@link WorkError}, of this copy of the package or another. */
export function isWorkError(value: unknown): value is WorkError {
  return kindOf(value) === 'work'
}

/** The error for an item that was given up without a `deadLetter`. */
export function givenUp(details: WorkErrorDetails, cause: unknown): WorkError {
  const { device, position, attempts } = details
  const times = attempts === 1 ? 'once' : `${attempts} times`
  const message =
    attempts === 0
      ? `The item that ends at position ${position} on ${device} does not decode (see the cause). It stays in the ring. Fix the ` +
        "codec, or choose deadLetter or onUndecodable: 'skip'"
      : `The item that ends at position ${position} on ${device} was tried ${times} and given up (see the cause). It stays in the ` +
        'ring. Fix the cause and start again, or start with a deadLetter'
  return new WorkError(
    attempts === 0 ? 'WORK_UNDECODABLE' : 'WORK_GIVEN_UP',
    message,
    details,
    cause,
  )
}
