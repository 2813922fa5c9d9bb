import { replaceUnsafe } from './unsafe-text.ts'

/** Text that every shell takes literally. */
const PLAIN = /^[\w@%+=:,./-][\w@%+=:,./#-]*$/

/**
 * Untrusted text as one word of a command that people copy. A shell takes it literally, whatever it contains, and runs
 * nothing of it. Unsafe characters become bytes in the `$'…'` quotes of bash, zsh and ksh.
 */
export function shellWord(text: string): string {
  if (PLAIN.test(text)) return text
  const shown = replaceUnsafe(text.replaceAll(/[\\']/g, '\\$&'), asBytes)
  return replaceUnsafe(text, () => '') === text
    ? `'${text.replaceAll("'", "'\\''")}'`
    : `$'${shown}'`
}

function asBytes(run: string): string {
  const bytes = Array.from(new TextEncoder().encode(run))
  return bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
