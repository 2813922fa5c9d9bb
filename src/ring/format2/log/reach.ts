import { type Layout, searchBlocks } from '../disk/layout.ts'
import type { LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'

/** Where recovery starts: what a producer slot says of the log's end. */
export type Checkpoint = Pick<ProducerSlot, 'committed' | 'reach' | 'epochs'>

/** True if recovery from this checkpoint will find a batch at `lsn`, whatever is damaged before it. */
export function isInReach(slot: Checkpoint, lsn: number, layout: Layout): boolean {
  return lsn < Math.max(slot.reach, slot.committed.lsn + searchBlocks(layout))
}

/** The `reach` that a slot needs so that recovery finds a batch at `lsn`, and what follows it. */
export function reachOf(committed: LogPosition, lsn: number, layout: Layout): number {
  const blocks = searchBlocks(layout)
  return lsn < committed.lsn + blocks ? 0 : lsn + blocks
}
