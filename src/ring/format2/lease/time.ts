import type { Clock } from '../../../clock.ts'

// The times of a lease: the same for all hosts, as they are part of the format. They tolerate clocks whose speeds differ by a
// fifth: the slower one counts 4 while the faster one counts 5. docs/hosts.md has the argument.

/** How long taking a role may take, from reading its record to having written one. */
export const TAKE_MS = 2000
/**
 * How long a host then waits before it reads the record back: any racer has written by then, or has given up. No less than
 * 5/4 of TAKE_MS.
 */
export const SETTLE_MS = 2500
/** The part of its timeout during which a lease counts for its holder. */
export const HELD_PART = 0.9
/** How many timeouts a record must not change before its holder counts as gone: no less than 5/4 of HELD_PART. */
export const WATCHED_PART = 1.25
/** The part of its timeout after which a lease is renewed. */
export const RENEWED_PART = 0.33
/** The part of its timeout after which a watched record is read again. */
export const LOOKED_PART = 0.1
/** And after this time in any case, so that a lease with a timeout of an hour is soon seen to be broken or renewed. */
export const LOOKED_MS = 5000

/** A moment, by both clocks of a host. */
export interface Moment {
  readonly now: number
  readonly time: number
}

/** This moment. */
export function moment(clock: Clock): Moment {
  return { now: clock.now(), time: clock.time() }
}

/**
 * Milliseconds since a moment, by the clock that counts more: on a machine that sleeps one of them stops, and
 * the other may be set back.
 */
export function elapsed(since: Moment, clock: Clock): number {
  return Math.max(clock.now() - since.now, clock.time() - since.time)
}

/** Why this much time has passed, if only the wall clock says so. */
export function leapOf(since: Moment, clock: Clock, ms: number): string | undefined {
  const passed = clock.now() - since.now
  const leap = clock.time() - since.time - passed
  if (passed >= ms || leap <= 0) return undefined
  return (
    `the wall clock of this host went ${(leap / 1000).toFixed(1)} s forward in no time, as it was set, or the machine ` +
    'slept'
  )
}
