import { bytes } from './bytes.ts'
import type { Codec } from './codec.ts'
import { type Envelope, envelope, MAX_ID_BYTES } from './envelope.ts'

/** A dead letter as a ring of dead letters has it. */
export interface StoredDeadLetter {
  /** The item's bytes in the ring where it was given up. */
  readonly bytes: Uint8Array
  /** Which ring that was: its UUID, or its device's name in format 1. With `position` it tells an item from all others. */
  readonly ring: string
  /** The position after the item, as `formatPosition` shows it. */
  readonly position: string
  /** How often it was tried; 0 if it does not decode. */
  readonly attempts: number
  /** Why it was given up, in words; long texts are cut. */
  readonly reason: string
  /** When it was pushed, in milliseconds since 1970, if its ring tells. */
  readonly pushedAt?: number
  /** When it was given up, in milliseconds since 1970. */
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
/** What a reason may take of an envelope's head, in characters. */
const MAX_REASON = 4096
/** What a character of a string takes in UTF-8, at most. */
const MAX_UNIT_BYTES = 3

const enveloped = envelope(bytes)

/**
 * What `RingReader.process` writes into a ring of dead letters: an envelope with the item's bytes as they were, whose headers say where
 * it comes from and why it was given up, and whose id is the same when it comes twice.
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

/** The same each time; of a name that is too long for it, the end. */
function idOf(ring: string, position: string): string {
  const id = wellFormed(`${ring}/${position}`)
  if (new TextEncoder().encode(id).length <= MAX_ID_BYTES) return id
  return wellFormed(id.slice(-MAX_ID_BYTES / MAX_UNIT_BYTES))
}

/** An error's text may have halves of characters, also where it was cut. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}
