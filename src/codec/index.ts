import type { StandardSchemaV1 } from '@standard-schema/spec'
import { after } from './after.ts'
import type { Codec } from './codec.ts'

export { bytes } from './bytes.ts'
export { type CompressedOptions, compressed } from './compressed.ts'
export { deadLetter, type StoredDeadLetter } from './dead-letter.ts'
export { type EncryptedOptions, encrypted } from './encrypted.ts'
export type { AesKey, EncryptionKey, EncryptionKeys, WebCryptoKey } from './encryption-keys.ts'
export { type Envelope, type EnvelopeInput, envelope } from './envelope.ts'

/** Strings as UTF-8; bytes that are not UTF-8 do not decode. */
export const text: Codec<string> = {
  name: 'UTF-8 text',
  encode: (item) => {
    if (typeof item !== 'string') throw new TypeError(`expected a string, found ${typeof item}`)
    if (!item.isWellFormed())
      throw new TypeError('expected well-formed Unicode, found a lone surrogate')
    return new TextEncoder().encode(item)
  },
  decode: (item) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(item),
}

/** Any value that JSON can represent. The type is the caller's claim, and not checked; see {@link schema}. */
export function json<T = unknown>(): Codec<T> {
  return { name: 'JSON', encode: toJson, decode: (item) => fromJson(item) as T }
}

function toJson(item: unknown): Uint8Array {
  const encoded = JSON.stringify(item) as string | undefined
  if (encoded === undefined) throw new TypeError(`JSON has no form for ${typeof item}`)
  return new TextEncoder().encode(encoded)
}

function fromJson(item: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(item))
}

/**
 * JSON that a schema checks both when pushed and when popped: any library that implements Standard Schema (zod,
 * valibot, arktype, ...). The schema's input is stored; its output is popped. A push is refused if the JSON would not
 * pass when popped: a Date has become a string by then, and NaN null.
 */
export function schema<In, Out>(standard: StandardSchemaV1<In, Out>): Codec<Out, In> {
  return {
    name: `JSON of the ${standard['~standard'].vendor} schema`,
    encode: (item) => {
      // First, because the caller may change the item while an asynchronous schema runs.
      const encoded = toJson(item)
      const decoded = fromJson(encoded)
      const checkStored = (): unknown => validate(standard, decoded, 'as JSON, the stored form: ')
      return after(after(validate(standard, item, ''), checkStored), () => encoded)
    },
    decode: (item) => validate(standard, fromJson(item), ''),
  }
}

/**
 * The schema's output for a value; synchronously, if the schema is.
 * @param where prefix of the error message
 * @throws {TypeError} the schema's issues, synchronously or as a rejection
 */
function validate<In, Out>(
  standard: StandardSchemaV1<In, Out>,
  value: unknown,
  where: string,
): Out | Promise<Out> {
  return after(standard['~standard'].validate(value), (result) => outputOf(result, where))
}

function outputOf<Out>(result: StandardSchemaV1.Result<Out>, where: string): Out {
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ message, path }) => {
    const keys = path?.map((part) => String(typeof part === 'object' ? part.key : part)) ?? []
    return keys.length > 0 ? `${keys.join('.')}: ${message}` : message
  })
  throw new TypeError(`${where}${issues.join('; ')}`)
}

/** What packs and unpacks: msgpackr and its like. */
export interface Packer {
  pack(item: unknown): Uint8Array
  unpack(bytes: Uint8Array): unknown
}

/** What encodes and decodes: cbor-x and its like. */
export interface Encoder {
  encode(item: unknown): Uint8Array
  decode(bytes: Uint8Array): unknown
}

/** A codec over a library that packs and unpacks (msgpackr) or encodes and decodes (cbor-x): the library, or an instance of it. */
export function packer<T = unknown>(library: Packer | Encoder): Codec<T> {
  return {
    name: 'packed bytes',
    encode: (item) => ('pack' in library ? library.pack(item) : library.encode(item)),
    decode: (item) => ('unpack' in library ? library.unpack(item) : library.decode(item)) as T,
  }
}
