import type { RingStats } from '../inspection.ts'

/** A ring this full is worth a look: one whose consumer keeps up hardly ever is. */
export const NEARLY_FULL = 0.9

/** A consumer that has acknowledged nothing for this long, in milliseconds, while items wait, may hang. */
export const STUCK_MS = 30_000

/** How full a data area is, from 0 to 1. */
export function fillOf(area: {
  readonly usedBytes: number
  readonly capacityBytes: number
}): number {
  return area.usedBytes / area.capacityBytes
}

/**
 * How long the oldest unacknowledged item has waited, in milliseconds; undefined if there is none, or that is unknown. Negative
 * if its producer's clock is ahead.
 * @param at when the ring was read
 */
export function oldestAgeOf(at: number, stats: RingStats | undefined): number | undefined {
  return stats?.oldestAt === undefined ? undefined : at - stats.oldestAt
}
