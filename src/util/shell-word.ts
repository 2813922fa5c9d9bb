import { replaceUnsafe } from './unsafe-text.ts'

/** What no shell takes for anything but itself. */
const PLAIN = /^[\w@%+=:,./-][\w@%+=:,./#-]*$/

/**
 * Text from outside, as one word of a command that people copy: a shell takes it for that text, whatever is in it, and runs
 * nothing of it. What is not to be shown is there as bytes, in the quotes that bash, zsh and ksh have for them.
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
