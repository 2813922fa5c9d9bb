import type { Codec } from './codec.ts'

/** Any value that JSON can represent. The type is the caller's claim and is not validated; see `schema`. */
export function json<T = unknown>(): Codec<T> {
  return { name: 'JSON', encode: toJson, decode: (item) => fromJson(item) as T }
}

/** @throws {TypeError} JSON cannot represent it */
export function toJson(item: unknown): Uint8Array {
  const encoded = JSON.stringify(item) as string | undefined
  if (encoded === undefined) throw new TypeError(`JSON has no form for ${typeof item}`)
  return new TextEncoder().encode(encoded)
}

/** @throws {TypeError | SyntaxError} it is not UTF-8, or not JSON */
export function fromJson(item: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(item))
}
