import { type Layout, searchBlocks } from '../disk/layout.ts'
import type { LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'

/** The part of a producer slot from which recovery starts. */
export type Checkpoint = Pick<ProducerSlot, 'committed' | 'reach' | 'epochs'>

/** True if recovery from this checkpoint will find a batch at `lsn`, whatever is damaged before it. */
export function isInReach(slot: Checkpoint, lsn: number, layout: Layout): boolean {
  return lsn < Math.max(slot.reach, slot.committed.lsn + searchBlocks(layout))
}

/** The `reach` that a slot needs so that recovery finds a batch at `lsn` and those after it. */
export function reachOf(committed: LogPosition, lsn: number, layout: Layout): number {
  const blocks = searchBlocks(layout)
  return lsn < committed.lsn + blocks ? 0 : lsn + blocks
}
