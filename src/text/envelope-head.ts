import type { EnvelopeHead } from '../codec/envelope.ts'
import { isoTime, safeJson } from './render.ts'

/** A head as JSON. */
export function headJson({ time, id, key, headers }: EnvelopeHead): object {
  return { time: time === undefined ? undefined : isoTime(time), id, key, headers }
}

/** A head as text, without tabs: `2026-01-02T03:04:05.000Z id:7 key:anna type=order`. */
export function headText({ time, id, key, headers }: EnvelopeHead): string {
  const words = [
    ...(time === undefined ? [] : [isoTime(time)]),
    ...(id === undefined ? [] : [`id:${word(id)}`]),
    ...(key === undefined ? [] : [`key:${word(key)}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}=${word(value)}`),
  ]
  return words.join(' ')
}

/** A word, in quotes if it would be ambiguous without them. */
function word(text: string): string {
  return /^[\p{L}\p{N}_.,:;@/+-]+$/u.test(text) ? text : safeJson(text)
}
