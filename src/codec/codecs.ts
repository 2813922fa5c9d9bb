import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Codec } from './codec.ts'

/** Items as they are: bytes. */
export const bytes: Codec<Uint8Array> = {
  name: 'bytes',
  encode: (item) => item,
  decode: (item) => item,
}

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

/** Whatever JSON can hold. The type is what the caller says it is: nothing checks it; see {@link schema}. */
export function json<T = unknown>(): Codec<T> {
  return {
    name: 'JSON',
    encode: (item) => {
      const encoded = JSON.stringify(item) as string | undefined
      if (encoded === undefined) throw new TypeError(`JSON has no form for ${typeof item}`)
      return new TextEncoder().encode(encoded)
    },
    decode: (item) => JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(item)) as T,
  }
}

/**
 * JSON that a schema checks both when pushed and when popped: any library that implements Standard Schema
 * (zod, valibot, arktype, ...). The input is what is stored; the schema's output is what is popped.
 */
export function schema<In, Out>(standard: StandardSchemaV1<In, Out>): Codec<Out, In> {
  const stored = json<In>()
  return {
    name: `JSON of the ${standard['~standard'].vendor} schema`,
    encode: async (item) => {
      await validate(standard, item)
      return stored.encode(item)
    },
    decode: async (item) => validate(standard, await stored.decode(item)),
  }
}

async function validate<In, Out>(standard: StandardSchemaV1<In, Out>, item: unknown): Promise<Out> {
  const result = await standard['~standard'].validate(item)
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ message, path }) => {
    const keys = path?.map((part) => String(typeof part === 'object' ? part.key : part)) ?? []
    return keys.length > 0 ? `${keys.join('.')}: ${message}` : message
  })
  throw new TypeError(issues.join('; '))
}

/** A codec over the `pack` and `unpack` of msgpackr, cbor-x and their like. */
export function packer<T = unknown>(library: {
  pack(item: unknown): Uint8Array
  unpack(bytes: Uint8Array): unknown
}): Codec<T> {
  return {
    name: 'packed bytes',
    encode: (item) => library.pack(item),
    decode: (item) => library.unpack(item) as T,
  }
}
