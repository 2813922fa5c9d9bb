import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Codec } from '../../src/codec/codec.ts'
import {
  bytes,
  compressed,
  type EncryptionKey,
  type EncryptionKeys,
  encrypted,
  envelope,
  json,
  text,
} from '../../src/codec/index.ts'
import { fc, runs } from '../helpers/property.ts'
import { decoded, encoded, hostile, vectors } from './coding.ts'

/** The key of FORMAT.md's vectors. */
const KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const keys: EncryptionKeys = { current: { id: 'k1', key: KEY } }

function randomKey(length = 32): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length))
}

function importKey(usages: readonly ('encrypt' | 'decrypt')[], name = 'AES-GCM') {
  return crypto.subtle.importKey('raw', randomKey(), name, false, [...usages])
}

const unknownKey = { code: 'CODEC_KEY_UNKNOWN' }
const notAuthentic = { code: 'CODEC_NOT_AUTHENTIC' }

/** Calls an encryption as an envelope with this head does. */
function under<T>(codec: Codec<T>, outer: Uint8Array): Codec<T> {
  return {
    name: codec.name,
    encode: (item) => codec.encode(item, outer),
    decode: (stored) => codec.decode(stored, outer),
  }
}

describe('an encrypted item', () => {
  test('is stored as FORMAT.md says', async () => {
    const all = vectors('fa')
    expect(all).toHaveLength(3)
    for (const [fields, stored] of all) {
      const { item, context, outer = '' } = JSON.parse(fields)
      const head = Buffer.from(outer.replaceAll(' ', ''), 'hex')
      const codec = under(encrypted(text, keys, { context }), head)
      expect(await decoded(codec, stored)).toBe(item)
      // The nonce is random, so another implementation encrypts with the same one.
      const made = await encoded(codec, item)
      const [start, nonce] = [made.subarray(0, 5), made.subarray(5, 17)]
      const cipher = createCipheriv('aes-256-gcm', KEY, nonce)
      const length = Buffer.of(context.length, 0)
      cipher.setAAD(Buffer.concat([start, length, Buffer.from(context), head]))
      const sealed = [cipher.update(item), cipher.final(), cipher.getAuthTag()]
      expect(Buffer.from(made)).toEqual(Buffer.concat([start, nonce, ...sealed]))
      expect(start).toEqual(stored.subarray(0, 5))
    }
  })

  test('decrypts to the item, and is longer by 31 bytes and the id of its key', async () => {
    const codec = encrypted(bytes, keys, { context: 'ring' })
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 1000 }), async (item) => {
        const stored = await encoded(codec, item)
        expect(stored).toHaveLength(item.length + 31 + 'k1'.length)
        const popped = await decoded(codec, stored)
        expect(Object.getPrototypeOf(popped)).toBe(Uint8Array.prototype)
        expect(popped).toEqual(item)
      }),
    )
  })

  test('decrypts only unchanged', async () => {
    const codec = encrypted(bytes, keys)
    await fc.assert(
      fc.asyncProperty(
        hostile(fc.uint8Array({ maxLength: 50 }).map((item) => encoded(codec, item))),
        fc.uint8Array({ maxLength: 50 }).map((item) => encoded(codec, item)),
        async (making, other) => {
          const stored = await making
          const whole = await decoded(codec, stored).catch((error: unknown) => {
            expect(error).toMatchObject({ name: 'CodecError', details: { bytes: stored } })
          })
          if (whole !== undefined) expect(stored).toHaveLength(whole.length + 33)
          // And each change of a bit is seen.
          const sealed = Uint8Array.from(await other)
          const at = stored.length % (8 * sealed.length)
          sealed[at >> 3] = (sealed[at >> 3] ?? 0) ^ (1 << (at & 7))
          await expect(decoded(codec, sealed)).rejects.toMatchObject({ name: 'CodecError' })
        },
      ),
      runs(300),
    )
  })

  test('differs each time', async () => {
    const codec = encrypted(text, keys)
    const all = await Promise.all(Array.from({ length: 100 }, () => encoded(codec, 'same')))
    const nonces = all.map((stored) => Buffer.from(stored.subarray(5, 17)).toString('hex'))
    expect(new Set(nonces).size).toBe(100)
  })

  test('keeps what the caller had at the call, also in memory that Node shares', async () => {
    const codec = encrypted(bytes, keys)
    const item = Buffer.from('before')
    const encoding = encoded(codec, item)
    item.fill('x')
    expect(Buffer.from(await decoded(codec, await encoding)).toString()).toBe('before')
  })
})

describe('what does not decrypt', () => {
  test('is told apart from what does not decode', async () => {
    const stored = await encoded(encrypted(text, keys), '{"half":')
    await expect(decoded(encrypted(json(), keys), stored)).rejects.toMatchObject({
      code: 'CODEC_DECODE',
      cause: expect.any(SyntaxError),
    })
    const wrong = { current: { id: 'k1', key: randomKey() } }
    await expect(decoded(encrypted(json(), wrong), stored)).rejects.toMatchObject({
      ...notAuthentic,
      details: { position: '0:8', bytes: stored },
    })
    const later = { current: { id: 'k2', key: randomKey() } }
    await expect(decoded(encrypted(json(), later), stored)).rejects.toMatchObject({
      ...unknownKey,
      message: expect.stringContaining('no key k1'),
    })
  })

  test('was moved to another context', async () => {
    const stored = await encoded(encrypted(text, keys, { context: 'orders' }), 'pay')
    for (const context of [undefined, 'order', 'orders ', 'refunds']) {
      const codec = encrypted(text, keys, context === undefined ? {} : { context })
      await expect(decoded(codec, stored)).rejects.toMatchObject(notAuthentic)
    }
  })

  test('has another id of a key that is the same', async () => {
    const stored = Uint8Array.from(await encoded(encrypted(text, keys), 'pay'))
    stored[4] = '2'.charCodeAt(0)
    const both = { current: { id: 'k1', key: KEY }, others: [{ id: 'k2', key: KEY.slice() }] }
    await expect(decoded(encrypted(text, both), stored)).rejects.toMatchObject(notAuthentic)
  })

  test.each([
    ['expected 1 bytes of the first byte', ''],
    ['expected 0xfa first', 'f801'],
    ['expected 12 bytes of the nonce', 'fa01026b31a0'],
    ['expected a tag of 16 bytes, found 15', `fa01026b31${'00'.repeat(27)}`],
    ['expected visible ASCII as the key id', `fa0100${'00'.repeat(40)}`],
    ['expected visible ASCII as the key id', `fa010120${'00'.repeat(40)}`],
    ['expected visible ASCII as the key id', `fa0141${'41'.repeat(100)}`],
    ['expected UTF-8 as the key id', `fa0101ff${'00'.repeat(40)}`],
  ])('is invalid: %s', async (message, hex) => {
    const codec = encrypted(text, keys)
    await expect(decoded(codec, Buffer.from(hex, 'hex'))).rejects.toMatchObject({
      code: 'CODEC_DECODE',
      message: expect.stringContaining(message),
    })
  })

  test('is of a later version', async () => {
    const later = Buffer.from(`fa02026b31${'00'.repeat(40)}`, 'hex')
    await expect(decoded(encrypted(text, keys), later)).rejects.toMatchObject({
      code: 'CODEC_UNSUPPORTED',
    })
  })
})

describe('keys', () => {
  test('are rotated: the next one is known before it is current, the last one afterwards', async () => {
    const one: EncryptionKey = { id: 'k1', key: KEY }
    const two: EncryptionKey = { id: 'k2', key: randomKey(16) }
    let current = one
    const writing = encrypted(text, {
      get current() {
        return current
      },
    })
    const first = await encoded(writing, 'a')
    current = two
    const second = await encoded(writing, 'b')
    for (const reading of [
      encrypted(text, { current: one, others: [two] }),
      encrypted(text, { current: two, others: [one] }),
    ]) {
      expect([await decoded(reading, first), await decoded(reading, second)]).toEqual(['a', 'b'])
    }
  })

  test('are found by a function, which may take its time, or not know', async () => {
    const stored = await encoded(encrypted(text, keys), 'found')
    const asked: string[] = []
    const answering = (answer: () => Promise<Uint8Array | undefined>) =>
      encrypted(text, {
        current: { id: 'k2', key: randomKey() },
        others: (id) => {
          asked.push(id)
          return answer()
        },
      })
    expect(
      await decoded(
        answering(async () => KEY),
        stored,
      ),
    ).toBe('found')
    expect(asked).toEqual(['k1'])
    await expect(
      decoded(
        answering(async () => undefined),
        stored,
      ),
    ).rejects.toMatchObject(unknownKey)
    const short = answering(async () => randomKey(5))
    await expect(decoded(short, stored)).rejects.toMatchObject({
      ...unknownKey,
      message: expect.stringContaining('expected 16, 24, 32 bytes, found 5'),
    })
    const away = answering(() => Promise.reject(new Error('no connection')))
    await expect(decoded(away, stored)).rejects.toMatchObject({
      ...unknownKey,
      message: expect.stringContaining('no key k1: no connection'),
    })
  })

  test('are of WebCrypto, as far as they may be used', async () => {
    const key = await importKey(['encrypt', 'decrypt'])
    const codec = encrypted(text, { current: { id: 'w', key } })
    expect(await decoded(codec, await encoded(codec, 'hidden'))).toBe('hidden')
    const writing = encrypted(text, { current: { id: 'w', key: await importKey(['encrypt']) } })
    const stored = await encoded(writing, 'hidden')
    await expect(decoded(writing, stored)).rejects.toMatchObject({
      ...unknownKey,
      message: expect.stringContaining('may not decrypt'),
    })
    const reading = encrypted(text, { current: { id: 'w', key: await importKey(['decrypt']) } })
    await expect(encoded(reading, 'x')).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
    const other = await importKey(['encrypt'], 'AES-CBC')
    expect(() => encrypted(text, { current: { id: 'w', key: other } })).toThrow('key of AES-GCM')
  })

  test('encrypt as many items as is allowed, each of them in all codecs', async () => {
    const spent = { current: { id: 'k1', key: randomKey() } }
    const codec = encrypted(text, spent, { maxItemsPerKey: 3 })
    const first = await encoded(codec, '1')
    await encoded(encrypted(json(), spent), 2)
    await encoded(codec, '3')
    await expect(encoded(codec, '4')).rejects.toMatchObject({
      code: 'CODEC_KEY_SPENT',
      message: expect.stringContaining('make a new key current'),
    })
    expect(await decoded(codec, first)).toBe('1')
    const next = { current: { id: 'k2', key: randomKey() }, others: [spent.current] }
    await encoded(encrypted(text, next, { maxItemsPerKey: 3 }), '4')
  })

  test.each<[string, unknown]>([
    ['expected 16, 24, 32 bytes, found 31', { current: { id: 'k', key: new Uint8Array(31) } }],
    ['expected bytes or a key of AES-GCM', { current: { id: 'k', key: 'secret' } }],
    ['expected bytes or a key of AES-GCM', { current: { id: 'k' } }],
    ['expected an id of 1 to 64', { current: { id: '', key: KEY } }],
    ['expected an id of 1 to 64', { current: { id: 'a b', key: KEY } }],
    ['expected an id of 1 to 64', { current: { id: 'x'.repeat(65), key: KEY } }],
    ['expected an id of 1 to 64', { current: { key: KEY } }],
    [
      'k is the id of two keys',
      { current: { id: 'k', key: KEY }, others: [{ id: 'k', key: KEY }] },
    ],
    [
      'expected others to be an array or a function',
      { current: { id: 'k', key: KEY }, others: {} },
    ],
    ['no option old', { current: { id: 'k', key: KEY }, old: [] }],
  ])('are checked: %s', (message, wrong) => {
    expect(() => encrypted(text, wrong as EncryptionKeys)).toThrow(message)
  })

  test('are refused with invalid options', () => {
    expect(() => encrypted(text, keys, { aad: '' } as never)).toThrow('no option aad')
    expect(() => encrypted(text, keys, { context: '\ud800' })).toThrow('lone surrogate')
    expect(() => encrypted(text, keys, { context: 'x'.repeat(65_536) })).toThrow('65535')
    for (const maxItemsPerKey of [0, 1.5, 2 ** 32 + 1]) {
      expect(() => encrypted(text, keys, { maxItemsPerKey })).toThrow('maxItemsPerKey')
    }
  })
})

describe('codecs within codecs', () => {
  const item = { item: { text: 'word '.repeat(500) }, headers: { type: 'note' }, id: '1', time: 5 }

  test('hide an envelope with its item', async () => {
    const codec = encrypted(compressed(envelope(json<typeof item.item>())), keys)
    const stored = await encoded(codec, item)
    expect(stored.length).toBeLessThan(200)
    expect(Buffer.from(stored).includes('note')).toBe(false)
    expect(await decoded(codec, stored)).toEqual(item)
    expect(codec.name).toBe('encrypted compressed an envelope of JSON')
  })

  test('authenticate an envelope that everybody reads', async () => {
    const codec = envelope(encrypted(compressed(json<typeof item.item>()), keys))
    const stored = await encoded(codec, item)
    expect(Buffer.from(stored).includes('note')).toBe(true)
    expect(await decoded(codec, stored)).toEqual(item)
    const altered = Buffer.from(
      Buffer.from(stored).toString('latin1').replace('note', 'nope'),
      'latin1',
    )
    await expect(decoded(codec, altered)).rejects.toMatchObject(notAuthentic)
    const other = await encoded(codec, { ...item, id: '2' })
    const [head, sealed] = [stored.subarray(0, stored[2]), other.subarray(other[2])]
    await expect(decoded(codec, Buffer.concat([head, sealed]))).rejects.toMatchObject(notAuthentic)
    // Nor does it decrypt without its envelope.
    await expect(decoded(encrypted(bytes, keys), stored.subarray(stored[2]))).rejects.toMatchObject(
      notAuthentic,
    )
  })

  test('authenticate all envelopes around them, in their order', async () => {
    const codec = envelope(compressed(envelope(encrypted(text, keys))))
    const twice = { item: { item: 'x', id: 'inner' }, id: 'outer' }
    const stored = await encoded(codec, twice)
    expect(await decoded(codec, stored)).toEqual({
      ...twice,
      headers: {},
      item: { ...twice.item, headers: {} },
    })
    const altered = Buffer.from(
      Buffer.from(stored).toString('latin1').replace('outer', 'other'),
      'latin1',
    )
    await expect(decoded(codec, altered)).rejects.toMatchObject(notAuthentic)
  })

  test('encrypt twice under one envelope', async () => {
    const codec = envelope(encrypted(encrypted(text, keys), keys))
    const stored = await encoded(codec, { item: 'x', id: '1' })
    expect(await decoded(codec, stored)).toEqual({ item: 'x', id: '1', headers: {} })
    const inner = await decoded(envelope(encrypted(bytes, keys)), stored)
    expect(
      await decoded(under(encrypted(text, keys), stored.subarray(0, stored[2])), inner.item),
    ).toBe('x')
    await expect(decoded(encrypted(text, keys), inner.item)).rejects.toMatchObject(notAuthentic)
  })

  test('fail with the code of the innermost codec that refuses', async () => {
    const small = encrypted(compressed(text, { maxBytes: 10 }), keys)
    const large = await encoded(encrypted(compressed(text), keys), 'x'.repeat(11))
    await expect(decoded(small, large)).rejects.toMatchObject({ code: 'CODEC_TOO_LARGE' })
    await expect(encoded(small, 'x'.repeat(11))).rejects.toMatchObject({ code: 'CODEC_TOO_LARGE' })
  })

  test('fail with a CodecError, whatever the bytes are', async () => {
    for (const codec of [
      encrypted(compressed(envelope(json())), keys),
      envelope(encrypted(compressed(json()), keys)),
      compressed(envelope(json())),
    ]) {
      await fc.assert(
        fc.asyncProperty(
          hostile(
            fc.string().map((word) => encoded<never>(codec, { item: word, id: 'i' } as never)),
          ),
          async (making) => {
            await decoded<unknown>(codec, await making).catch((error: unknown) =>
              expect(error).toMatchObject({ name: 'CodecError', details: { position: '0:8' } }),
            )
          },
        ),
        runs(100),
      )
    }
  })
})
