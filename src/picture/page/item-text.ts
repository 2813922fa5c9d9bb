import { isoTime, safeBytes, safeLines } from '../../text/render.ts'
import type { ItemSeen } from '../serve/items.ts'

/** The ways to show items. */
export type Form = 'text' | 'JSON' | 'hex'

const HEX_COLUMNS = 32

/** An item as it is shown: what is known of it, and its bytes. */
export function itemText(
  item: ItemSeen,
  form: Form,
): { readonly heading: string; readonly body: string } {
  const { position, number, pushedAt, bytes, envelope, hex } = item
  const shown = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  const heading = [
    ...(number === undefined ? [] : [`item ${number}`]),
    `position ${position}`,
    ...(pushedAt === undefined ? [] : [isoTime(pushedAt)]),
    `${bytes} bytes`,
    ...(envelope === undefined ? [] : [JSON.stringify(envelope)]),
  ].join(' · ')
  return { heading, body: bodyOf(shown, form) }
}

function bodyOf(bytes: Uint8Array, form: Form): string {
  if (form === 'hex') {
    const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    return Array.from({ length: Math.ceil(pairs.length / HEX_COLUMNS) }, (_, line) =>
      pairs.slice(line * HEX_COLUMNS, (line + 1) * HEX_COLUMNS).join(' '),
    ).join('\n')
  }
  if (form === 'JSON') {
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
      return safeLines(JSON.stringify(JSON.parse(text), undefined, 2))
    } catch {
      return `no JSON: ${safeBytes(bytes)}`
    }
  }
  return safeBytes(bytes)
}
