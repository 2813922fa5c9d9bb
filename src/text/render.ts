/** Formats text from devices, inputs and errors safely for a terminal; `util/safe-text.ts` has the escapes. */
import type { RingErrorDetailsOf } from '../errors.ts'
import { escaped, safeText } from '../util/safe-text.ts'
import { replaceUnsafe, replaceUnsafeInItem } from '../util/unsafe-text.ts'

export { safeText }

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text of several lines, made safe. */
export function safeLines(text: string): string {
  return text
    .split('\n')
    .map((line) => `${safeText(line)}\n`)
    .join('')
}

/** Bytes on one line: as UTF-8 if valid, else with non-ASCII bytes as `\xff`. */
export function safeBytes(bytes: Uint8Array): string {
  try {
    return replaceUnsafeInItem(utf8.decode(bytes), escaped)
  } catch {
    const characters = Array.from(bytes, (byte) =>
      byte < 0x80
        ? safeText(String.fromCharCode(byte))
        : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    return characters.join('')
  }
}

/** The start of the bytes that fits into the columns, ending in `…` if it is cut. */
export function preview(bytes: Uint8Array, columns: number): string {
  // A character has at most 4 bytes. Cutting one would make all of it invalid UTF-8.
  const enough = bytes.subarray(0, columns * 4)
  const text = safeBytes(enough.subarray(0, wholeCharacters(enough, bytes.length)))
  const characters = Array.from(text)
  if (characters.length <= columns && enough.length === bytes.length) return text
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`
}

/** The end of the last complete UTF-8 character. */
function wholeCharacters(start: Uint8Array, total: number): number {
  if (start.length === total) return total
  let end = start.length
  while (end > start.length - 4 && ((start[end - 1] ?? 0) & 0xc0) === 0x80) end--
  return (start[end - 1] ?? 0) >= 0xc0 ? end - 1 : start.length
}

/** JSON on one line, the same value but safe to show; big integers become decimal strings. */
export function safeJson(value: unknown): string {
  const json = JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'bigint' ? String(member) : member,
  )
  return replaceUnsafe(json, (run) => run.split('').map(jsonEscapeOf).join(''))
}

function jsonEscapeOf(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A time from a device, which may not exist in a calendar. */
export function isoTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? `${ms} ms` : time.toISOString()
}

const UNITS = [
  { name: 'd', seconds: 86_400 },
  { name: 'h', seconds: 3600 },
  { name: 'm', seconds: 60 },
  { name: 's', seconds: 1 },
] as const

/** A duration in its two largest units: `250 ms`, `3.2 s`, `7 m 3 s`, `2 d 5 h`. */
export function spanOfTime(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(1))} s`
  let rest = Math.floor(ms / 1000)
  const first = UNITS.findIndex(({ seconds }) => rest >= seconds)
  const parts = UNITS.slice(first, first + 2).map(({ name, seconds }) => {
    const count = Math.floor(rest / seconds)
    rest -= count * seconds
    return count === 0 ? [] : [`${count} ${name}`]
  })
  return parts.flat().join(' ')
}

/** A share from 0 to 1: `80%`, `1.3%`. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))}%`
}

/** A number with thousands separators. */
export function grouped(value: number | bigint): string {
  return value.toLocaleString('en-US')
}

/** A number and its noun, with an `s` unless the number is one. */
export function counted(count: number | bigint, what: string, plural = 's'): string {
  return `${grouped(count)} ${what}${count === 1 || count === 1n ? '' : plural}`
}

/** A range of item numbers; `items 7 to 7` becomes one item. */
export function spanOf(numbers: string): string {
  return numbers.replace(/^items (\d+) to \1$/, 'item $1')
}

/** Describes damaged items, their place and the damage, in the same words everywhere. */
export function describeDamage(
  damage: Pick<
    RingErrorDetailsOf<'RING_DAMAGED'>,
    'items' | 'numbers' | 'structure' | 'offset' | 'problem'
  >,
): string {
  const { items, numbers, structure, offset, problem } = damage
  const { first, last } = numbers
  const which = first === last ? `#${first}` : `#${first} to #${last}`
  const where = `${structure} at byte ${grouped(offset)}`
  return `${counted(items, 'damaged item')} (${which}): ${where}: ${problem}`
}
