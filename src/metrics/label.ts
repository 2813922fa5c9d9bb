import { crc32c } from '../checksum/crc32c.ts'
import { safeText } from '../util/safe-text.ts'

/** Characters of a label, as it is shown. */
const MAX_CHARACTERS = 256
const CHECKSUM_DIGITS = 8

/**
 * Text from outside, as the value of a label: nothing in it acts on a terminal, and other text makes another label, because labels
 * are what tells metrics apart. So a backslash is doubled: the others are those of escapes. What is long is cut, and ends with the checksum of
 * all of it.
 */
export function labelText(text: string): string {
  const safe = safeText(text.replaceAll('\\', '\\\\'))
  if (safe.length <= MAX_CHARACTERS) return safe
  const checksum = crc32c(new TextEncoder().encode(safe)).toString(16)
  const end = `…${checksum.padStart(CHECKSUM_DIGITS, '0')}`
  const start = safe.slice(0, MAX_CHARACTERS - end.length)
  // No half of a character.
  return `${/[\ud800-\udbff]$/.test(start) ? start.slice(0, -1) : start}${end}`
}
