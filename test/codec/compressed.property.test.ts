import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createDeflate, deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { nodeZstd } from '../../src/codec/compression/node.ts'
import { webZlib } from '../../src/codec/compression/web.ts'
import { zstdFrameBytes } from '../../src/codec/compression/zstd-frame.ts'
import { bytes, compressed, json, text } from '../../src/codec/index.ts'
import { fc, runs } from '../helpers/property.ts'
import { decoded, encoded, hostile, vectors } from './coding.ts'

/** Whether this runtime has it. */
const ZSTD = nodeZstd() !== undefined
const ALGORITHMS = ZSTD ? (['zlib', 'zstd'] as const) : (['zlib'] as const)

/** Text that shrinks well, badly or not at all, also larger than what is compressed at once. */
const compressible = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 5000 }))
    .map(([unit, times]) => {
      const all = new Uint8Array(unit.length * times)
      for (let at = 0; at < all.length; at += unit.length) all.set(unit, at)
      return all
    }),
)

/** A frame of zlib, with any stream and any size. */
function zlibFrame(stream: Uint8Array, size: number): Uint8Array {
  const frame = Buffer.concat([Buffer.of(0xf9, 1, 0, 0, 0, 0), stream])
  frame.writeUInt32LE(size, 2)
  return Uint8Array.from(frame)
}

/** Zeroes, compressed to a thousandth; they are never in memory. */
function bomb(mebibytes: number): Promise<Buffer> {
  const zeroes = Array<Uint8Array>(mebibytes).fill(new Uint8Array(1 << 20))
  return buffer(Readable.from(zeroes).pipe(createDeflate()))
}

/** By how many bytes buffers grow at most, while other threads work too. */
async function growth(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().arrayBuffers
  let most = before
  const measuring = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers)
  })
  await work()
  clearInterval(measuring)
  return Math.max(most, process.memoryUsage().arrayBuffers) - before
}

describe.each(ALGORITHMS)('compressed by %s', (algorithm) => {
  const raw = compressed(bytes, { algorithm })

  test('decodes to the item, and is never more than two bytes longer', async () => {
    await fc.assert(
      fc.asyncProperty(compressible, async (item) => {
        const stored = await encoded(raw, item)
        expect(stored.length).toBeLessThanOrEqual(item.length + 2)
        const popped = await decoded(raw, stored)
        expect(Object.getPrototypeOf(popped)).toBe(Uint8Array.prototype)
        expect(popped).toEqual(item)
      }),
    )
  })

  test('shrinks what repeats, and stores what does not shrink', async () => {
    const much = await encoded(raw, new Uint8Array(1 << 20))
    expect(much.length).toBeLessThan(2000)
    expect(much[1]).toBe(algorithm === 'zlib' ? 1 : 2)
    const random = crypto.getRandomValues(new Uint8Array(1000))
    expect(await encoded(raw, random)).toEqual(Uint8Array.of(0xf9, 0, ...random))
  })

  test('whose bytes were changed is refused, or another item', async () => {
    await fc.assert(
      fc.asyncProperty(hostile(compressible.map((item) => encoded(raw, item))), async (making) => {
        const stored = await making
        await decoded(raw, stored).then(
          (item) => expect(item).toBeInstanceOf(Uint8Array),
          (error: unknown) => expect(error).toMatchObject({ name: 'CodecError' }),
        )
      }),
      runs(500),
    )
  })

  test.each([100, 1 << 20])('of %i bytes ends where its stream does', async (size) => {
    const stored = await encoded(raw, new Uint8Array(size))
    const refused = { code: 'CODEC_DECODE' }
    await expect(decoded(raw, stored.subarray(0, -1))).rejects.toMatchObject(refused)
    await expect(decoded(raw, Buffer.concat([stored, Buffer.of(0)]))).rejects.toMatchObject(refused)
    const twice = Buffer.concat([stored, stored.subarray(6)])
    await expect(decoded(raw, twice)).rejects.toMatchObject(refused)
  })

  test('states the size that it inflates to', async () => {
    for (const size of [100, 1 << 20]) {
      const stored = await encoded(raw, new Uint8Array(size))
      for (const stated of [0, 1, size - 1, size + 1, 2 * size, 1 << 24]) {
        const lying = Uint8Array.from(stored)
        new DataView(lying.buffer).setUint32(2, stated, true)
        await expect(decoded(raw, lying)).rejects.toMatchObject({
          code: 'CODEC_DECODE',
          message: expect.stringContaining(`expected a stream that inflates to ${stated} bytes`),
        })
      }
    }
  })

  test('is bounded on both sides, at exactly its limit', async () => {
    const small = compressed(bytes, { algorithm, maxBytes: 1000 })
    expect(await decoded(small, await encoded(small, new Uint8Array(1000)))).toHaveLength(1000)
    const refused = { code: 'CODEC_TOO_LARGE', message: expect.stringContaining('1001 bytes') }
    await expect(encoded(small, new Uint8Array(1001))).rejects.toMatchObject(refused)
    const large = await encoded(raw, new Uint8Array(1001))
    await expect(decoded(small, large)).rejects.toMatchObject({
      ...refused,
      details: { position: '0:8', bytes: large },
    })
    await expect(
      decoded(small, Uint8Array.of(0xf9, 0, ...new Uint8Array(1001))),
    ).rejects.toMatchObject(refused)
  })

  test('keeps what the caller had at the call', async () => {
    const item = new Uint8Array(1 << 20)
    const encoding = encoded(raw, item)
    item.fill(7)
    expect((await decoded(raw, await encoding)).every((byte) => byte === 0)).toBe(true)
  })
})

describe('compressed', () => {
  test('is stored as FORMAT.md says', async () => {
    const codec = compressed(text)
    const all = vectors('f9')
    expect(all.map(([, stored]) => stored[1])).toEqual([0, 1, 2])
    for (const [item, stored] of all) {
      if (stored[1] === 2 && !ZSTD) continue
      expect(await decoded(codec, stored)).toBe(item)
      if (stored[1] === 0) expect(await encoded(codec, item)).toEqual(stored)
    }
  })

  test('of another algorithm is unsupported, not damaged', async () => {
    const codec = compressed(text)
    await expect(decoded(codec, Uint8Array.of(0xf9, 3, 1, 0, 0, 0))).rejects.toMatchObject({
      code: 'CODEC_UNSUPPORTED',
      message: expect.stringContaining('version 3'),
    })
    const zstd = vectors('f9')[2]?.[1] ?? new Uint8Array()
    if (!ZSTD) {
      await expect(decoded(codec, zstd)).rejects.toMatchObject({ code: 'CODEC_UNSUPPORTED' })
      expect(() => compressed(text, { algorithm: 'zstd' })).toThrow('this runtime has no zstd')
    }
  })

  test('inflates a bomb no further than it has to', async () => {
    const codec = compressed(bytes)
    const stream = await bomb(256)
    const grown = await growth(async () => {
      await expect(decoded(codec, zlibFrame(stream, 256 << 20))).rejects.toMatchObject({
        code: 'CODEC_TOO_LARGE',
      })
      await expect(decoded(codec, zlibFrame(stream, 1 << 20))).rejects.toMatchObject({
        code: 'CODEC_DECODE',
        message: expect.stringContaining('found more'),
      })
      // It states more than there is: memory is taken for what there is.
      await expect(decoded(codec, zlibFrame(deflateSync('x'), 16 << 20))).rejects.toMatchObject({
        code: 'CODEC_DECODE',
      })
    })
    expect(grown).toBeLessThan(8 << 20)
  })

  test('names and checks its options', () => {
    expect(compressed(json()).name).toBe('compressed JSON')
    expect(() => compressed(text, { algorithm: 'gzip' as never })).toThrow('"zlib" or "zstd"')
    expect(() => compressed(text, { level: 9 } as never)).toThrow('no option level')
    for (const maxBytes of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
      expect(() => compressed(text, { maxBytes })).toThrow(
        'maxBytes must be a whole number from 1 to 4294967295',
      )
    }
  })
})

describe('zlib of the web', () => {
  test('inflates what Node deflates, and the other way round', async () => {
    await fc.assert(
      fc.asyncProperty(compressible, async (item) => {
        const shrunk = await webZlib.compress(item)
        expect(await webZlib.inflate(shrunk, item.length)).toEqual(item)
        if (item.length > 0) {
          const popped = await decoded(compressed(bytes), zlibFrame(shrunk, item.length))
          expect(popped).toEqual(item)
        }
      }),
    )
  })

  test('stops as soon as there is more than the size', async () => {
    const stream = await bomb(256)
    const grown = await growth(async () => {
      await expect(webZlib.inflate(stream, 1000)).rejects.toThrow('found more')
    })
    expect(grown).toBeLessThan(16 << 20)
  })

  test('refuses what is cut, or no stream, or of another size', async () => {
    const stream = deflateSync(new Uint8Array(1000))
    await expect(webZlib.inflate(stream.subarray(0, -1), 1000)).rejects.toThrow()
    await expect(webZlib.inflate(Uint8Array.of(1, 2, 3), 1000)).rejects.toThrow()
    await expect(webZlib.inflate(stream, 999)).rejects.toThrow('999 bytes, found more')
    await expect(webZlib.inflate(stream, 1001)).rejects.toThrow('1001 bytes, found 1000')
  })
})

describe('the end of a zstd frame', () => {
  const frame = vectors('f9')[2]?.[1].subarray(6) ?? new Uint8Array()

  test('is found by its blocks', () => {
    expect(zstdFrameBytes(frame)).toBe(frame.length)
    expect(zstdFrameBytes(Buffer.concat([frame, frame]))).toBe(frame.length)
    // A window, a dictionary's id of 2 bytes, a size of 4, a checksum; a raw block of 2 bytes, and an empty last one.
    const full = Buffer.from(
      `28b52ffd86 50 0102 02000000 100000 6869 010000 deadbeef`.replaceAll(' ', ''),
      'hex',
    )
    expect(zstdFrameBytes(full)).toBe(full.length)
    for (let cut = 0; cut < full.length; cut++) {
      expect(() => zstdFrameBytes(full.subarray(0, cut))).toThrow(RangeError)
    }
  })

  test('is a number or an error, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (rest) => {
        const all = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...rest)
        try {
          expect(zstdFrameBytes(all)).toBeLessThanOrEqual(all.length)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      }),
      runs(1000),
    )
  })
})
