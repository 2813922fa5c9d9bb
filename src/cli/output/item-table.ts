import { preview } from '../../text/render.ts'

/** 19 are enough for 2^62, and for 1000 epochs of 2^52 items. */
const POSITION_COLUMNS = 19
const BYTES_COLUMNS = 10
const MIN_PREVIEW_COLUMNS = 20

/** The heading of a table of items. */
export function itemHeading(what: string): string {
  return row('position', 'bytes', what)
}

/**
 * An item's row in a table.
 * @param position as it is shown
 * @param bytes the whole item's
 * @param start its first bytes at least
 * @param columns the width of the table
 */
export function itemRow(
  position: string,
  bytes: number,
  start: Uint8Array,
  columns: number,
): string {
  const rest = Math.max(MIN_PREVIEW_COLUMNS, columns - POSITION_COLUMNS - BYTES_COLUMNS - 4)
  return row(position, String(bytes), preview(start, rest))
}

function row(position: string, bytes: string, text: string): string {
  return `${position.padStart(POSITION_COLUMNS)}  ${bytes.padStart(BYTES_COLUMNS)}  ${text}\n`
}
