import { bytes } from './bytes.ts'
import type { Codec } from './codec.ts'
import { type Envelope, envelope, MAX_ID_BYTES } from './envelope.ts'

/** A dead letter as it is stored in a ring of dead letters. */
export interface StoredDeadLetter {
  /** The item's bytes in the ring where it was given up. */
  readonly bytes: Uint8Array
  /**
   * Identifies the ring of the item: its UUID, or its device's name in format 1. Together with `position` it identifies
   * the item.
   */
  readonly ring: string
  /** The position after the item, as text; see `formatPosition`. */
  readonly position: string
  /** The number of attempts; 0 if it does not decode. */
  readonly attempts: number
  /** The reason; long texts are cut. */
  readonly reason: string
  /** Push time, in milliseconds since 1970; absent if its ring does not record it. */
  readonly pushedAt?: number
  /** Time at which it was given up, in milliseconds since 1970. */
  readonly time?: number
}

/** The headers of a dead letter's envelope. */
const HEADER = {
  ring: 'sbr-ring',
  position: 'sbr-position',
  attempts: 'sbr-attempts',
  reason: 'sbr-reason',
  pushedAt: 'sbr-pushed-at',
} as const
/** The longest reason in an envelope's head, in characters. */
const MAX_REASON = 4096
/** The most bytes of a string's character in UTF-8. */
const MAX_UNIT_BYTES = 3

const enveloped = envelope(bytes)

/**
 * The codec of the rings in which `RingReader.process` stores dead letters. A dead letter is an envelope around the
 * item's original bytes. Its headers have the origin and the reason, and its id is the same if it is stored twice.
 */
export const deadLetters: Codec<StoredDeadLetter> = {
  name: 'a dead letter',
  encode: (letter) => {
    const { ring, position, attempts, reason, pushedAt, time } = letter
    const headers = {
      [HEADER.ring]: wellFormed(ring),
      [HEADER.position]: position,
      [HEADER.attempts]: String(attempts),
      [HEADER.reason]: wellFormed(reason.slice(0, MAX_REASON)),
      ...(pushedAt !== undefined && { [HEADER.pushedAt]: String(pushedAt) }),
    }
    return enveloped.encode({
      item: letter.bytes,
      headers,
      id: idOf(ring, position),
      ...(time !== undefined && { time }),
    })
  },
  decode: async (stored) => letterIn(await enveloped.decode(stored)),
}

function letterIn({ item, headers, time }: Envelope<Uint8Array>): StoredDeadLetter {
  const pushedAt = headers[HEADER.pushedAt]
  return {
    bytes: item,
    ring: headerOf(headers, HEADER.ring),
    position: headerOf(headers, HEADER.position),
    attempts: numberIn(headerOf(headers, HEADER.attempts), HEADER.attempts),
    reason: headerOf(headers, HEADER.reason),
    ...(pushedAt !== undefined && { pushedAt: numberIn(pushedAt, HEADER.pushedAt) }),
    ...(time !== undefined && { time }),
  }
}

function headerOf(headers: Envelope<unknown>['headers'], name: string): string {
  const value = headers[name]
  if (value === undefined) throw new TypeError(`expected a header ${name}, found none`)
  return value
}

function numberIn(text: string, name: string): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(number)) return number
  throw new TypeError(`header ${name}: expected a number, found ${JSON.stringify(text)}`)
}

/** The same each time. Of a name that is too long, the end is used. */
function idOf(ring: string, position: string): string {
  const id = wellFormed(`${ring}/${position}`)
  if (new TextEncoder().encode(id).length <= MAX_ID_BYTES) return id
  return wellFormed(id.slice(-MAX_ID_BYTES / MAX_UNIT_BYTES))
}

/** An error's text may contain halves of characters, even at the cut. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}
