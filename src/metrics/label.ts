import { crc32c } from '../checksum/crc32c.ts'
import { safeText } from '../util/safe-text.ts'

/** Characters of a label, as it is shown. */
const MAX_CHARACTERS = 256
const CHECKSUM_DIGITS = 8

/**
 * Text from outside, as the value of a label: it is safe on a terminal, and different texts make different labels,
 * because labels distinguish metrics. So a backslash is doubled, to differ from those of escapes. A long text is cut,
 * and ends with the checksum of all of it.
 */
export function labelText(text: string): string {
  const safe = safeText(text.replaceAll('\\', '\\\\'))
  if (safe.length <= MAX_CHARACTERS) return safe
  const checksum = crc32c(new TextEncoder().encode(safe)).toString(16)
  const end = `…${checksum.padStart(CHECKSUM_DIGITS, '0')}`
  const start = safe.slice(0, MAX_CHARACTERS - end.length)
  // Not half of a surrogate pair.
  return `${/[\ud800-\udbff]$/.test(start) ? start.slice(0, -1) : start}${end}`
}
