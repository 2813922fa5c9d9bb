import type { Codec } from './codec.ts'

/** What packs and unpacks: msgpackr and its like. */
export interface Packer {
  /** An item as bytes. */
  pack(item: unknown): Uint8Array
  /** The item again. */
  unpack(bytes: Uint8Array): unknown
}

/** What encodes and decodes: cbor-x and its like. */
export interface Encoder {
  /** An item as bytes. */
  encode(item: unknown): Uint8Array
  /** The item again. */
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
