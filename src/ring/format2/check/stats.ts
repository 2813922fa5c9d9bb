import type { RingStats } from '../../inspection.ts'
import { itemsBefore } from '../disk/cursor.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { firstCursor, type Roles } from './state.ts'

/** The end of the committed log, and what replay found on the way to it. */
export interface LogEnd {
  readonly logPosition: LogPosition
  readonly commits: number
  /** Write time of the last batch; absent if none follows the slot. */
  readonly time?: number | undefined
}

/**
 * The counts and times of a ring.
 * @param oldestAt push time of the oldest item in the ring; undefined if there is none, or damage hides it
 */
export function statsOf(roles: Roles, end: LogEnd, oldestAt: number | undefined): RingStats {
  const { producer, consumer } = roles
  const { logPosition: committed } = end
  const acknowledgedItems = itemsBefore(consumer.cursor)
  const waits = committed.seq > itemsBefore(firstCursor(roles))
  // Items that were moved from another ring are older than the slot.
  const newestAt = Math.max(end.time ?? 0, producer.time)
  return {
    committedItems: committed.seq,
    committedBytes: committed.bytes,
    acknowledgedItems,
    acknowledgedBytes: consumer.cursor.bytes,
    damagedItems: consumer.damagedItems,
    missedItems: consumer.missedItems + Math.max(0, producer.truncatedTo.seq - acknowledgedItems),
    commits: producer.commits + end.commits,
    fullPushes: producer.fullPushes,
    ...(!waits && { lagMs: 0 }),
    ...(oldestAt !== undefined && { lagMs: Math.max(0, newestAt - oldestAt), oldestAt }),
    producerAt: producer.time,
    consumerAt: consumer.time,
  }
}
