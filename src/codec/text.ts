import type { Codec } from './codec.ts'

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
