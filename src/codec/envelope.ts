import { after } from '../util/then.ts'
import type { Codec } from './codec.ts'
import { FIRST, isVisible, joined, littleEndian, utf8Of, WrappedReader } from './wrapped.ts'

/** A popped item with its metadata. */
export interface Envelope<T> {
  /** The item. */
  readonly item: T
  /** Names and values that the producer chose. The object has no prototype, so only pushed names have a value. */
  readonly headers: Readonly<Record<string, string>>
  /** Identifies the item, to recognise duplicates. */
  readonly id?: string
  /** The subject of the item. Items of one key belong together, in their order. */
  readonly key?: string
  /** The time of the event, in milliseconds since 1970. */
  readonly time?: number
}

/** An {@link Envelope} as it is pushed. Headers are optional. */
export type EnvelopeInput<T> = Omit<Envelope<T>, 'headers'> & Partial<Pick<Envelope<T>, 'headers'>>

const FIELDS: ReadonlySet<string> = new Set(['item', 'headers', 'id', 'key', 'time'])
const VERSION = 1
/** Flags of the fields that are present. */
const HAS = { time: 1, id: 2, key: 4 } as const
const ALL = HAS.time | HAS.id | HAS.key
/** Bytes before the variable part of the head: two of identification, its length, the flags, the number of headers. */
const FIXED_BYTES = 6
/** The length of a head is stored in two bytes. */
const MAX_HEAD_BYTES = 0xffff
const MAX_HEADERS = 64
const MAX_NAME_BYTES = 255
/** The longest id, in bytes. */
export const MAX_ID_BYTES = 255
/** The last time that a `Date` can hold. */
const MAX_TIME = 8_640_000_000_000_000

/**
 * Adds headers, an id, a key and a time to items; FORMAT.md specifies the bytes. An item has at most 64 headers, whose
 * names are 1 to 255 visible ASCII characters other than `=`. An id is 1 to 255 bytes of UTF-8. All of it takes at most
 * 65,535 bytes.
 *
 * It is stored unencrypted, but a codec inside that authenticates, such as `encrypted`, covers it.
 */
export function envelope<Out, In = Out>(
  codec: Codec<Out, In>,
): Codec<Envelope<Out>, EnvelopeInput<In>> {
  return {
    name: `an envelope of ${codec.name}`,
    encode: (enveloped, outer) => {
      const head = encodeHead(enveloped)
      const item = codec.encode(enveloped.item, outer === undefined ? head : joined(outer, head))
      return after(item, (bytes) => joined(head, bytes))
    },
    decode: (bytes, outer) => {
      const { bytes: start, head } = decodeHead(bytes)
      const around = outer === undefined ? start : joined(outer, start)
      const item = codec.decode(bytes.subarray(start.length), around)
      return after(item, (decoded) => ({ item: decoded, ...head }))
    },
  }
}

/**
 * Encodes the bytes that precede the item.
 * @throws {TypeError} a field is of another type or form
 * @throws {RangeError} too much, or too long
 */
export function encodeHead(fields: Partial<EnvelopeHead>): Uint8Array {
  checkFields(fields)
  const { headers = {}, id, key, time } = fields
  const named = Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1))
  if (named.length > MAX_HEADERS) {
    throw new RangeError(`expected at most ${MAX_HEADERS} headers, found ${named.length}`)
  }
  const parts: Uint8Array[] = []
  if (time !== undefined) parts.push(littleEndian(checkedTime(time), 8))
  if (id !== undefined) {
    const bytes = utf8Of(id, 'id')
    if (bytes.length === 0 || bytes.length > MAX_ID_BYTES) {
      throw new RangeError(`id: expected 1 to ${MAX_ID_BYTES} bytes, found ${bytes.length}`)
    }
    parts.push(Uint8Array.of(bytes.length), bytes)
  }
  if (key !== undefined) parts.push(...withLength(utf8Of(key, 'key'), 'key'))
  for (const [name, value] of named) {
    if (!isName(name)) {
      throw new TypeError(
        `header ${JSON.stringify(name)}: expected a name of 1 to ${MAX_NAME_BYTES} visible ASCII characters other than =`,
      )
    }
    parts.push(Uint8Array.of(name.length), utf8Of(name, 'name'))
    parts.push(...withLength(utf8Of(value, `header ${name}`), `header ${name}`))
  }
  const length = parts.reduce((sum, part) => sum + part.length, FIXED_BYTES)
  if (length > MAX_HEAD_BYTES) {
    throw new RangeError(
      `expected at most ${MAX_HEAD_BYTES} bytes of headers, id, key and time, found ${length}`,
    )
  }
  const has =
    (time === undefined ? 0 : HAS.time) |
    (id === undefined ? 0 : HAS.id) |
    (key === undefined ? 0 : HAS.key)
  const start = Uint8Array.of(FIRST.envelope, VERSION)
  const counts = Uint8Array.of(has, named.length)
  return joined(start, littleEndian(length, 2), counts, ...parts)
}

/** A misspelt field, or headers in a form without names of its own, would be lost silently. */
function checkFields(fields: Partial<EnvelopeHead>): void {
  if (typeof fields !== 'object' || fields === null) {
    throw new TypeError(`expected an object with an item, found ${String(fields)}`)
  }
  const unknown = Object.keys(fields).find((name) => !FIELDS.has(name))
  if (unknown !== undefined) {
    throw new TypeError(`an envelope has the fields ${[...FIELDS].join(', ')}, not ${unknown}`)
  }
  const { headers = {} } = fields
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    throw new TypeError('headers: expected an object of names and values')
  }
}

/** The metadata of an item. */
export type EnvelopeHead = Omit<Envelope<never>, 'item'>

/** The result of {@link decodeHead}. */
export interface DecodedHead {
  /** The bytes before the item. */
  readonly bytes: Uint8Array
  readonly head: EnvelopeHead
}

/**
 * Parses the bytes that precede the item.
 * @throws {TypeError} they are not exactly what {@link encodeHead} produces
 * @throws {CodecError} `CODEC_UNSUPPORTED`
 */
export function decodeHead(bytes: Uint8Array): DecodedHead {
  const reader = new WrappedReader(bytes, 'envelope', [VERSION])
  const length = reader.u16('length')
  const has = reader.u8('flags')
  const count = reader.u8('number of headers')
  if ((has & ~ALL) !== 0) throw reader.wrong(`expected flags up to ${ALL}`, String(has))
  if (count > MAX_HEADERS) {
    throw reader.wrong(`expected at most ${MAX_HEADERS} headers`, String(count))
  }
  const time = (has & HAS.time) === 0 ? undefined : readTime(reader)
  const id = (has & HAS.id) === 0 ? undefined : readId(reader)
  const key = (has & HAS.key) === 0 ? undefined : reader.text(reader.u16('key'), 'key')
  const headers = readHeaders(reader, count)
  const read = reader.read
  if (read.length !== length) {
    throw reader.wrong(`expected the item at byte ${length}, as stated`, `it at ${read.length}`)
  }
  return {
    bytes: read,
    head: {
      headers,
      ...(id !== undefined && { id }),
      ...(key !== undefined && { key }),
      ...(time !== undefined && { time }),
    },
  }
}

function readTime(reader: WrappedReader): number {
  const time = reader.u64('time')
  if (time > MAX_TIME) throw reader.wrong(`expected a time up to ${MAX_TIME}`, String(time))
  return Number(time)
}

function readId(reader: WrappedReader): string {
  const length = reader.u8('id')
  if (length === 0) throw reader.wrong('expected an id', 'an empty one')
  return reader.text(length, 'id')
}

function readHeaders(reader: WrappedReader, count: number): Record<string, string> {
  // Without a prototype, `__proto__` is a name like any other.
  const headers: Record<string, string> = Object.create(null)
  let last = ''
  for (let index = 0; index < count; index++) {
    const name = reader.text(reader.u8('name'), 'name')
    if (!isName(name)) {
      throw reader.wrong('expected a name of visible ASCII other than =', JSON.stringify(name))
    }
    // This excludes duplicates, and gives an envelope a single form.
    if (name <= last) {
      throw reader.wrong(`expected a name after ${JSON.stringify(last)}`, JSON.stringify(name))
    }
    headers[name] = reader.text(reader.u16('value'), 'value')
    last = name
  }
  return headers
}

/** True if a header can have the name, and `name=value` can express it. */
function isName(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && isVisible(name) && !name.includes('=')
}

function checkedTime(time: number): number {
  if (Number.isSafeInteger(time) && time >= 0 && time <= MAX_TIME) return time
  throw new RangeError(
    `time: expected whole milliseconds since 1970, from 0 to ${MAX_TIME}, found ${String(time)}`,
  )
}

function withLength(bytes: Uint8Array, what: string): readonly [Uint8Array, Uint8Array] {
  if (bytes.length > MAX_HEAD_BYTES) {
    throw new RangeError(`${what}: expected at most ${MAX_HEAD_BYTES} bytes, found ${bytes.length}`)
  }
  return [littleEndian(bytes.length, 2), bytes]
}
