import type { Epochs } from './epochs.ts'
import type { LogPosition } from './log-position.ts'

/** The next item: its batch, its index in the batch, and the byte count before it. */
export interface Cursor {
  readonly logPosition: LogPosition
  readonly index: number
  readonly bytes: number
}

/** The number of items before a cursor. */
export function itemsBefore({ logPosition, index }: Cursor): number {
  return logPosition.seq + index
}

/** The cursor at a log position. */
export function cursorAt(logPosition: LogPosition): Cursor {
  return { logPosition, index: 0, bytes: logPosition.bytes }
}

/**
 * The cursor once all epochs are known. It goes back to the beginning of an unseen epoch that lies before it, and moves
 * past uncommitted items that were dropped if everything before them is acknowledged, because their space would never
 * be freed otherwise.
 */
export function cursorAfter(cursor: Cursor, seen: number, epochs: Epochs): Cursor {
  const passed = epochs.find(({ epoch, start }) => epoch > seen && isBeyond(cursor, start))
  const next = passed === undefined ? cursor : cursorAt(passed.start)
  const { lsn } = next.logPosition
  const seq = itemsBefore(next)
  const dropped = epochs.findLast(({ start }) => start.lsn > lsn && start.seq === seq)
  return dropped === undefined ? next : cursorAt(dropped.start)
}

/**
 * True if a cursor lies beyond an epoch's beginning, in blocks or in items: uncommitted items before the beginning are
 * dropped, and their numbers reused.
 */
function isBeyond(cursor: Cursor, start: LogPosition): boolean {
  const { logPosition, index } = cursor
  if (logPosition.lsn > start.lsn || (logPosition.lsn === start.lsn && index > 0)) return true
  return itemsBefore(cursor) > start.seq
}
