import type { Codec } from './codec.ts'

/** A library that packs and unpacks, such as msgpackr. */
export interface Packer {
  /** Encodes an item. */
  pack(item: unknown): Uint8Array
  /** Decodes an item. */
  unpack(bytes: Uint8Array): unknown
}

/** A library that encodes and decodes, such as cbor-x. */
export interface Encoder {
  /** Encodes an item. */
  encode(item: unknown): Uint8Array
  /** Decodes an item. */
  decode(bytes: Uint8Array): unknown
}

/**
 * A codec for a library that packs and unpacks (msgpackr) or encodes and decodes (cbor-x): its module, or an instance
 * of its class.
 */
export function packer<T = unknown>(library: Packer | Encoder): Codec<T> {
  return {
    name: 'packed bytes',
    encode: (item) => ('pack' in library ? library.pack(item) : library.encode(item)),
    decode: (item) => ('unpack' in library ? library.unpack(item) : library.decode(item)) as T,
  }
}
