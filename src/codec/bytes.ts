import type { Codec } from './codec.ts'

/** Bytes, unchanged. */
export const bytes: Codec<Uint8Array> = {
  name: 'bytes',
  encode: (item) => item,
  decode: (item) => item,
}
