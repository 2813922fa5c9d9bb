import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type Codec,
  decodeItem as decodeNow,
  encodeItems as encodeAndKeep,
} from '../../src/codec/codec.ts'
import { bytes, json, packer, schema, text } from '../../src/codec/index.ts'
import { asPosition } from '../../src/position.ts'
import { fc } from '../helpers/property.ts'

/** As a promise, whether the codec decodes at once or not. */
async function decodeItem<Out>(...args: Parameters<typeof decodeNow<Out>>): Promise<Out> {
  return decodeNow(...args)
}

const at = asPosition
/** As the writer calls it, which copies besides. */
const encodeItems = <In>(codec: Codec<unknown, In>, items: readonly In[]) =>
  encodeAndKeep(codec, items, (made) => made)

async function roundTrip<T>(codec: Codec<T>, item: T): Promise<T> {
  const [encoded] = await encodeItems(codec, [item])
  return decodeItem(codec, encoded ?? new Uint8Array(), at(8n), 1)
}

describe('codecs', () => {
  test('bytes, text and JSON decode to what was encoded', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array(),
        fc.string({ unit: 'binary' }),
        fc.jsonValue({ noUnicodeString: false }),
        async (raw, string, value) => {
          expect(await roundTrip(bytes, raw)).toEqual(raw)
          expect(await roundTrip(text, string)).toBe(string)
          expect(await roundTrip(json(), value)).toEqual(JSON.parse(JSON.stringify(value)))
        },
      ),
    )
  })

  test('text keeps a byte order mark, and refuses what UTF-8 cannot hold', async () => {
    expect(await roundTrip(text, '\ufeffmark')).toBe('\ufeffmark')
    expect(() => encodeItems(text, ['\ud800'])).toThrow('lone surrogate')
    expect(() => encodeItems(text as Codec<unknown>, [7])).toThrow('expected a string')
  })

  test('a value that JSON cannot hold is an error with its reason', () => {
    expect(() => encodeItems(json(), [undefined])).toThrow('JSON has no form for undefined')
    expect(() => encodeItems(json(), [1n])).toThrow('BigInt')
  })

  test('what does not decode is an error with its position and bytes', async () => {
    const stored = Buffer.from('{"half":')
    await expect(decodeItem(json(), stored, at(24n), 1)).rejects.toMatchObject({
      code: 'CODEC_DECODE',
      details: { codec: 'JSON', position: '24', bytes: stored },
      cause: expect.any(SyntaxError),
    })
    await expect(decodeItem(text, new Uint8Array([0xff]), at(8n), 1)).rejects.toMatchObject({
      code: 'CODEC_DECODE',
    })
  })

  test('a schema checks both ways and may transform', async () => {
    const codec = schema(z.object({ at: z.string().transform((iso) => new Date(iso)) }))
    const [encoded] = await encodeItems(codec, [{ at: '2026-01-02T03:04:05Z' }])
    const decoded = await decodeItem(codec, encoded ?? new Uint8Array(), at(8n), 1)
    expect(decoded.at.getUTCFullYear()).toBe(2026)
    expect(() => encodeItems(codec, [{ at: 7 } as never])).toThrow(/^the item cannot.*: at: /)
    const wrong = Buffer.from('{"at":7}')
    await expect(decodeItem(codec, wrong, at(8n), 1)).rejects.toMatchObject({
      code: 'CODEC_DECODE',
      message: expect.stringContaining('at: '),
    })
  })

  test.each<[string, z.ZodType, unknown]>([
    ['a Date', z.object({ at: z.date() }), { at: new Date(0) }],
    ['NaN', z.object({ n: z.nan() }), { n: Number.NaN }],
    ['Infinity', z.object({ n: z.any().refine((n) => typeof n === 'number') }), { n: 1 / 0 }],
    ['a Map', z.map(z.string(), z.number()), new Map([['a', 1]])],
    ['a Set', z.set(z.number()), new Set([1])],
    ['bytes', z.instanceof(Uint8Array), new Uint8Array(2)],
    ['undefined in a list', z.array(z.union([z.string(), z.undefined()])), [undefined]],
  ])('a schema refuses what would not pass when it is popped: %s', (_, standard, item) => {
    expect(standard.safeParse(item).success).toBe(true)
    expect(() => encodeItems(schema(standard), [item])).toThrow('as JSON, the stored form')
  })

  test('a schema accepts what passes when it is popped, though JSON changes it', async () => {
    const codec = schema(z.object({ at: z.coerce.date(), why: z.string().optional() }))
    const item = { at: new Date(7), why: undefined }
    expect(await roundTrip<unknown>(codec as Codec<unknown>, item)).toEqual({ at: new Date(7) })
  })

  test('a schema that takes its time sees the item as it was at the call', async () => {
    const later: z.ZodType<{ n: number }, { n: number }> = z
      .object({ n: z.number() })
      .refine(() => new Promise<boolean>((resolve) => setImmediate(() => resolve(true))))
    const codec = schema(later)
    const item = { n: 1 }
    const encoding = encodeItems(codec, [item])
    item.n = 2
    const [encoded] = await encoding
    expect(await decodeItem(codec, encoded ?? new Uint8Array(), at(8n), 1)).toEqual({ n: 1 })
    const wrong: Codec<unknown> = schema(z.date().refine(async () => true))
    await expect(encodeItems(wrong, [new Date(0)])).rejects.toThrow('as JSON')
    expect(() => encodeItems(wrong, ['no date'])).toThrow(/: Invalid input: expected date/)
  })

  test('a packer is any object with pack and unpack, or with encode and decode', async () => {
    const pack = (item: unknown): Uint8Array => Buffer.from(JSON.stringify(item)).reverse()
    const unpack = (packed: Uint8Array): unknown =>
      JSON.parse(Buffer.from(packed).reverse().toString())
    expect(await roundTrip(packer<{ n: number }>({ pack, unpack }), { n: 3 })).toEqual({ n: 3 })
    const like = { encode: pack, decode: unpack }
    expect(await roundTrip(packer<{ n: number }>(like), { n: 3 })).toEqual({ n: 3 })
  })

  test('a codec that returns no bytes is reported', async () => {
    const codec: Codec<string> = { name: 'odd', encode: (s) => s as never, decode: () => '' }
    expect(() => encodeItems(codec, ['x'])).toThrow('expected a Uint8Array, found string')
    const slow: Codec<string> = { name: 'slow', encode: async () => 1 as never, decode: () => '' }
    await expect(encodeItems(slow, ['x'])).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
  })
})
