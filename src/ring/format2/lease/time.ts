import type { Clock } from '../../../clock.ts'

// The times of a lease. They are part of the format, and so the same for all hosts. They tolerate clocks whose speeds
// differ by a fifth: the slower one counts 4 while the faster one counts 5. docs/hosts.md has the argument.

/** Time limit for taking a role, from reading its record to having written one. */
export const TAKE_MS = 2000
/** The wait before the record is read back. By its end every rival has written or given up. At least 5/4 of TAKE_MS. */
export const READ_BACK_MS = 2500
/** The part of the timeout for which a holder relies on its lease. */
export const HELD_PART = 0.9
/** A holder counts as gone if its record does not change for this many timeouts. At least 5/4 of HELD_PART. */
export const SILENT_PART = 1.25
/** A lease is renewed after this part of its timeout. */
export const RENEWED_PART = 0.33
/** A watched record is read again after this part of its timeout. */
export const REREAD_PART = 0.1
/** Or after this time, so that a lease with a timeout of an hour is soon seen to be broken or renewed. */
export const REREAD_MS = 5000

/** A moment, by both clocks of a host. */
export interface Moment {
  readonly now: number
  readonly time: number
}

/** The current moment. */
export function moment(clock: Clock): Moment {
  return { now: clock.now(), time: clock.time() }
}

/**
 * Milliseconds since a moment, by the clock that counted more: sleep stops one of them, and the other may be set back.
 */
export function elapsed(since: Moment, clock: Clock): number {
  return Math.max(clock.now() - since.now, clock.time() - since.time)
}

/** The reason why this much time has passed, if only the wall clock counted it. */
export function leapOf(since: Moment, clock: Clock, ms: number): string | undefined {
  const passed = clock.now() - since.now
  const leap = clock.time() - since.time - passed
  if (passed >= ms || leap <= 0) return undefined
  return (
    `the wall clock of this host went ${(leap / 1000).toFixed(1)} s forward at once, because it was set, or the machine ` +
    'slept'
  )
}
