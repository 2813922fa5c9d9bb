import { asPosition, type Position } from '../../position.ts'
import { shown } from '../../util/options.ts'
import { fromPosition, fromText, toText } from '../format2/position.ts'

/** Positions of format 1 have at most this many digits. */
const MAX_OFFSET_DIGITS = 19

/**
 * The text of a position in errors, commands and their JSON: in format 2 `epoch:item`, such as `1:42` after the 42nd
 * item; in format 1 the offset in bytes. Roles, and the result of `inspectRing`, have the `format`.
 */
export function formatPosition(position: bigint, format: 1 | 2): string {
  return format === 2 ? toText(position) : String(position)
}

/** The number of the item that ends at a position, from 1; undefined in format 1, which does not count items. */
export function itemNumber(position: Position, format: 1 | 2): number | undefined {
  return format === 2 ? fromPosition(position).seq : undefined
}

/**
 * Parses the text of a position of either format, such as `details.position` of an error.
 * @throws {RangeError} it is not a position
 */
export function parsePosition(text: string): Position {
  const isText = typeof text === 'string'
  const position = isText && (text.includes(':') ? fromText(text) : offsetIn(text))
  if (position !== undefined && position !== false) return position
  throw new RangeError(`expected a position, such as 1:42 or 4096, found ${shown(text)}`)
}

function offsetIn(text: string): Position | undefined {
  return /^\d+$/.test(text) && text.length <= MAX_OFFSET_DIGITS
    ? asPosition(BigInt(text))
    : undefined
}
