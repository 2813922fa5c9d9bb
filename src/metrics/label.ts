import { safeText } from '../util/safe-text.ts'

/** Characters of a label, as it is shown. */
const MAX_CHARACTERS = 256

/**
 * Text that somebody else chose, as the value of a label: nothing in it acts on a terminal or looks like another text, and it is cut where it
 * is long.
 */
export function labelText(text: string): string {
  const safe = safeText(text)
  if (safe.length <= MAX_CHARACTERS) return safe
  const start = safe.slice(0, MAX_CHARACTERS - 1)
  // No half of a character.
  return `${/[\ud800-\udbff]$/.test(start) ? start.slice(0, -1) : start}…`
}
