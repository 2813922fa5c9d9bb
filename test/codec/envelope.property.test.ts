import { describe, expect, test } from 'vitest'
import { bytes, type EnvelopeInput, envelope, json, text } from '../../src/codec/index.ts'
import { fc, runs } from '../helpers/property.ts'
import { decoded, encoded, hostile, vectors } from './coding.ts'

const name = fc
  .string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) })
  .map((all) => all.replaceAll('=', ''))
  .filter((all) => all.length > 0)
const headers = fc
  .uniqueArray(fc.tuple(fc.oneof(name, fc.constant('__proto__')), fc.string({ unit: 'binary' })), {
    selector: ([first]) => first,
    maxLength: 64,
  })
  .map((pairs) => Object.fromEntries(pairs))
const fields: fc.Arbitrary<EnvelopeInput<Uint8Array>> = fc.record(
  {
    item: fc.uint8Array(),
    headers,
    id: fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
    key: fc.string({ unit: 'binary' }),
    time: fc.integer({ min: 0, max: 8.64e15 }),
  },
  { requiredKeys: ['item'] },
)

const raw = envelope(bytes)

describe('an envelope', () => {
  test('is stored as FORMAT.md says', async () => {
    const codec = envelope(text)
    const all = vectors('f8')
    expect(all.length).toBeGreaterThan(2)
    for (const [fields, stored] of all) {
      const pushed = JSON.parse(fields)
      expect(await encoded(codec, pushed)).toEqual(stored)
      expect(await decoded(codec, stored)).toEqual({ headers: {}, ...pushed })
    }
  })

  test('decodes to what was encoded', async () => {
    await fc.assert(
      fc.asyncProperty(fields, async (pushed) => {
        const popped = await decoded(raw, await encoded(raw, pushed))
        expect({ ...popped, headers: Object.entries(popped.headers).sort() }).toEqual({
          ...pushed,
          headers: Object.entries(pushed.headers ?? {}).sort(),
        })
      }),
    )
  })

  test('has one form: what decodes is what encoding makes', async () => {
    await fc.assert(
      fc.asyncProperty(hostile(fields.map((pushed) => encoded(raw, pushed))), async (making) => {
        const stored = await making
        const popped = await decoded(raw, stored).catch((error: unknown) => {
          expect(error).toMatchObject({ name: 'CodecError', details: { bytes: stored } })
        })
        if (popped) expect(await encoded(raw, popped)).toEqual(stored)
      }),
      runs(500),
    )
  })

  test('takes what the codec within takes, and pops what it pops', async () => {
    const codec = envelope(json<{ n: number }>())
    const stored = await encoded(codec, { item: { n: 1 }, headers: { b: '2', a: '1' }, time: 0 })
    const popped = await decoded(codec, stored)
    expect(popped).toEqual({ item: { n: 1 }, headers: { a: '1', b: '2' }, time: 0 })
    expect(popped.headers['constructor']).toBeUndefined()
    await expect(encoded(envelope(json()), { item: 1n })).rejects.toMatchObject({
      code: 'CODEC_ENCODE',
    })
  })

  test.each<[string, object]>([
    [', not header', { item: '', header: { a: '1' } }],
    ['headers: expected an object', { item: '', headers: new Map([['a', '1']]) }],
    ['headers: expected an object', { item: '', headers: 'a=1' }],
    ['header a: expected a string', { item: '', headers: { a: 1 } }],
    ['header a: expected well-formed', { item: '', headers: { a: '\ud800' } }],
    ['header a: expected at most 65535', { item: '', headers: { a: 'x'.repeat(65_536) } }],
    ['header "": expected a name', { item: '', headers: { '': '1' } }],
    ['header "a=": expected a name', { item: '', headers: { 'a=': '1' } }],
    ['header "é": expected a name', { item: '', headers: { é: '1' } }],
    ['expected a name of 1 to 255', { item: '', headers: { ['x'.repeat(256)]: '1' } }],
    [
      'at most 64 headers, found 65',
      { item: '', headers: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [n, ''])) },
    ],
    ['at most 65535 bytes of headers', { item: '', key: 'x'.repeat(65_530) }],
    ['key: expected a string', { item: '', key: null }],
    ['id: expected 1 to 255 bytes, found 0', { item: '', id: '' }],
    ['id: expected 1 to 255 bytes, found 256', { item: '', id: 'é'.repeat(128) }],
    ['time: expected whole', { item: '', time: -1 }],
    ['time: expected whole', { item: '', time: 1.5 }],
    ['time: expected whole', { item: '', time: new Date(1) }],
    ['time: expected whole', { item: '', time: 8.64e15 + 1 }],
  ])('refuses to be made: %s', async (message, fields) => {
    await expect(encoded(envelope(text), fields as EnvelopeInput<string>)).rejects.toMatchObject({
      code: 'CODEC_ENCODE',
      message: expect.stringContaining(message),
    })
  })

  test('holds exactly as much as its bounds say', async () => {
    const most = { item: new Uint8Array(1), key: 'x'.repeat(65_535 - 6 - 2) }
    expect(await decoded(raw, await encoded(raw, most))).toEqual({ ...most, headers: {} })
  })

  test.each([
    ['expected 1 bytes of the first byte', ''],
    ['expected 0xf8 first, found 0x7b', '7b7d'],
    ['expected 2 bytes of the length at byte 2, found 1', 'f80106'],
    ['expected flags up to 7, found 8', 'f80106000800'],
    ['expected at most 64 headers, found 65', 'f80106000041'],
    ['expected the item at byte 7, as stated, found it at 6', 'f8010700000061'],
    ['expected the item at byte 5, as stated, found it at 6', 'f80105000000'],
    ['expected 8 bytes of the time', 'f8010e0001000000'],
    ['expected a time up to', 'f8010e000100ffffffffffffffff'],
    ['expected an id, found an empty one', 'f8010700020000'],
    ['expected UTF-8 as the id', 'f80108000200' + '01ff'],
    ['expected 255 bytes of the key', 'f80108000400' + 'ff00'],
    ['expected a name of visible ASCII', 'f80109000001' + '000000'],
    ['expected a name of visible ASCII', 'f8010a000001' + '013d0000'],
    ['expected a name after "a", found "a"', 'f8010e000002' + '01610000' + '01610000'],
    ['expected a name after "b", found "a"', 'f8010e000002' + '01620000' + '01610000'],
  ])('is refused: %s', async (message, hex) => {
    await expect(decoded(raw, Buffer.from(hex, 'hex'))).rejects.toMatchObject({
      code: 'CODEC_DECODE',
      message: expect.stringContaining(message),
    })
  })

  test('of a later version is unsupported, not damaged', async () => {
    await expect(decoded(raw, Buffer.from('f80206000000', 'hex'))).rejects.toMatchObject({
      code: 'CODEC_UNSUPPORTED',
      message: expect.stringContaining('version 2'),
    })
  })
})
