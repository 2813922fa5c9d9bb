// What the device allows at most: for each column the one durable write (or read) that a commit cannot do without.
import { COLUMNS } from './columns.mjs'

/** A batch's header, and what its table has for an item. */
const HEADER_BYTES = 80
const ENTRY_BYTES = 8
const BLOCK_BYTES = 4096

/**
 * One transfer of a column: its bytes, and how many items are done with it.
 * @returns undefined where the device itself has no figure
 */
export function transferOf(columnId) {
  const { items, read = false, itemBytes, large } = COLUMNS.find(({ id }) => id === columnId)
  if (items === undefined) return undefined
  if (large) return { read, bytes: itemBytes, items }
  // What a consumer writes down does not grow with what it took.
  const bytes = read ? BLOCK_BYTES : HEADER_BYTES + items * (ENTRY_BYTES + itemBytes)
  return { read: false, bytes: Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES, items }
}
