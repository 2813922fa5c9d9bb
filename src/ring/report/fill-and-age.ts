import type { RingStats } from '../inspection.ts'

/** A ring this full needs attention: one whose consumer keeps up is hardly ever this full. */
export const NEARLY_FULL = 0.9

/** A consumer that acknowledges nothing for this long, in milliseconds, while there are items, may hang. */
export const STUCK_MS = 30_000

/** The fill level of a data area, from 0 to 1. */
export function fillOf(area: {
  readonly usedBytes: number
  readonly capacityBytes: number
}): number {
  return area.usedBytes / area.capacityBytes
}

/**
 * The age of the oldest unacknowledged item, in milliseconds; undefined if there is none, or it is unknown. Negative if
 * the producer's clock is ahead.
 * @param at when the ring was read
 */
export function oldestAgeOf(at: number, stats: RingStats | undefined): number | undefined {
  return stats?.oldestAt === undefined ? undefined : at - stats.oldestAt
}
