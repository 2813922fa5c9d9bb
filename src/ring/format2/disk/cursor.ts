import type { Epochs } from './epochs.ts'
import type { LogPosition } from './log-position.ts'

/** Where the next item is: its batch, its index in that, and the byte count up to it. */
export interface Cursor {
  readonly logPosition: LogPosition
  readonly index: number
  readonly bytes: number
}

/** Items before a cursor. */
export function itemsBefore({ logPosition, index }: Cursor): number {
  return logPosition.seq + index
}

/** The cursor at a log position. */
export function cursorAt(logPosition: LogPosition): Cursor {
  return { logPosition, index: 0, bytes: logPosition.bytes }
}

/**
 * Where a cursor continues, given all epochs: at the beginning of one that it had not seen, if it lies beyond that; and after
 * uncommitted items that were dropped, if everything before them is acknowledged, or their space would never be freed.
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
 * Whether a cursor lies beyond the beginning of an epoch: in blocks, or in items, because uncommitted items before it are
 * dropped, and counted again.
 */
function isBeyond(cursor: Cursor, start: LogPosition): boolean {
  const { logPosition, index } = cursor
  if (logPosition.lsn > start.lsn || (logPosition.lsn === start.lsn && index > 0)) return true
  return itemsBefore(cursor) > start.seq
}
