import { replaceUnsafe } from './unsafe-text.ts'

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Text on one line, with unsafe characters escaped, such as `\x1b`, `\u202e` or `\u{e0041}`. */
export function safeText(text: string): string {
  return replaceUnsafe(text, escaped)
}

/** Escapes each character of a run. */
export function escaped(run: string): string {
  return Array.from(run, escapeOf).join('')
}

function escapeOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  if (code < 0x100) return SHORT[character] ?? `\\x${hex.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\u{${hex}}`
}
