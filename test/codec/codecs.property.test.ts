import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Codec, decodeItem, encodeItems } from '../../src/codec/codec.ts'
import { bytes, json, packer, schema, text } from '../../src/codec/codecs.ts'
import { asPosition } from '../../src/ring/types.ts'
import { fc } from '../helpers/property.ts'

const at = asPosition

async function roundTrip<T>(codec: Codec<T>, item: T): Promise<T> {
  const [encoded] = await encodeItems(codec, [item])
  return decodeItem(codec, encoded ?? new Uint8Array(), at(8n))
}

describe('codecs', () => {
  test('bytes, text and JSON come back as they went', async () => {
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

  test('what JSON has no form for is an error with its reason', () => {
    expect(() => encodeItems(json(), [undefined])).toThrow('JSON has no form for undefined')
    expect(() => encodeItems(json(), [1n])).toThrow('BigInt')
  })

  test('what does not decode is an error with its position and bytes', async () => {
    const stored = Buffer.from('{"half":')
    await expect(decodeItem(json(), stored, at(24n))).rejects.toMatchObject({
      code: 'CODEC_DECODE',
      details: { codec: 'JSON', position: 24n, bytes: stored },
      cause: expect.any(SyntaxError),
    })
    await expect(decodeItem(text, new Uint8Array([0xff]), at(8n))).rejects.toMatchObject({
      code: 'CODEC_DECODE',
    })
  })

  test('a schema checks both ways and may transform', async () => {
    const codec = schema(z.object({ at: z.string().transform((iso) => new Date(iso)) }))
    const [encoded] = await encodeItems(codec, [{ at: '2026-01-02T03:04:05Z' }])
    const decoded = await decodeItem(codec, encoded ?? new Uint8Array(), at(8n))
    expect(decoded.at.getUTCFullYear()).toBe(2026)
    await expect(encodeItems(codec, [{ at: 7 } as never])).rejects.toMatchObject({
      code: 'CODEC_ENCODE',
      message: expect.stringContaining('at: '),
    })
    const wrong = Buffer.from('{"at":7}')
    await expect(decodeItem(codec, wrong, at(8n))).rejects.toMatchObject({
      code: 'CODEC_DECODE',
      message: expect.stringContaining('at: '),
    })
  })

  test('a packer is any object with pack and unpack', async () => {
    const library = {
      pack: (item: unknown) => new Uint8Array(Buffer.from(JSON.stringify(item)).reverse()),
      unpack: (packed: Uint8Array) =>
        JSON.parse(Buffer.from(packed).reverse().toString()) as unknown,
    }
    expect(await roundTrip(packer<{ n: number }>(library), { n: 3 })).toEqual({ n: 3 })
  })

  test('a codec that answers no bytes is told so', async () => {
    const codec: Codec<string> = { name: 'odd', encode: (s) => s as never, decode: () => '' }
    expect(() => encodeItems(codec, ['x'])).toThrow('expected a Uint8Array, found string')
    const slow: Codec<string> = { name: 'slow', encode: async () => 1 as never, decode: () => '' }
    await expect(encodeItems(slow, ['x'])).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
  })
})
