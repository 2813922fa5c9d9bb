import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { bytes } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import type { ItemLimits } from '../../src/ring/shared/item-limits.ts'
import { ItemMemory } from '../../src/ring/shared/own-items.ts'
import { collect } from '../helpers/collect.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { fc } from '../helpers/property.ts'
import { attachProducer, smallRing } from '../helpers/ring.ts'

/** One shares memory with others when it is kept, one does not. */
const LENGTHS = [10, 20_000]
const itemsOf = (fill: number): Uint8Array[] =>
  LENGTHS.map((length) => new Uint8Array(length).fill(fill))

const ringFor = async (): Promise<HookedDevice> => new HookedDevice(await smallRing(2 << 20))

const digestOf = (item: Uint8Array): string => createHash('sha256').update(item).digest('hex')

/** What items hold, all of whose bytes are alike: to compare the bytes themselves would take long. */
const shown = (items: readonly Uint8Array[]): string[] =>
  items.map((item) => `${item.length} x ${[...new Set(item)]}`)

async function stored(device: HookedDevice): Promise<string[]> {
  return shown((await collect((await inspectRing(device)).items())).map(({ item }) => item))
}

/** A codec whose every item is in one piece of memory. */
function oneBuffer(): Codec<Uint8Array> {
  const memory = new Uint8Array(Math.max(...LENGTHS))
  return {
    name: 'one buffer',
    encode: (item) => {
      memory.set(item)
      return memory.subarray(0, item.length)
    },
    decode: (item) => item,
  }
}

type Push = (items: Uint8Array[]) => Promise<unknown>

describe('an item is pushed as it was at the call', () => {
  for (const [name, codec] of Object.entries({
    bytes,
    'one buffer': oneBuffer(),
  })) {
    test(`with a writer, codec ${name}`, async () => {
      const device = await ringFor()
      await using writer = await RingWriter.open(device, { codec })
      const calls: readonly Push[] = [
        (items) => Promise.all(items.map((item) => writer.push(item))),
        (items) => writer.pushMany(items),
      ]
      const pushing: Promise<unknown>[] = []
      const pushed: string[] = []
      // The first commit is on its way when the later calls come.
      for (const [round, call] of [...calls, ...calls, ...calls].entries()) {
        const items = itemsOf(1 + round)
        pushed.push(...shown(items))
        pushing.push(call(items))
        for (const item of items) item.fill(255)
        items.length = 0
        if (round === 1) await turn()
      }
      await Promise.all(pushing)
      const tried = Uint8Array.of(7, 7, 7)
      pushed.push(...shown([tried]))
      const trying = writer.tryPush(tried)
      tried.fill(255)
      expect(await trying).toMatchObject({ status: 'ok' })
      expect(await stored(device)).toEqual(pushed)
    })
  }

  test('with the primitives, also behind another call', async () => {
    const device = await ringFor()
    const producer = await attachProducer(device)
    const calls: readonly Push[] = [
      (items) => Promise.all(items.map((item) => producer.push(item))),
      (items) => producer.pushMany(items),
      (items) => producer.append(items),
    ]
    const pushing: Promise<unknown>[] = []
    const pushed: string[] = []
    for (const [round, call] of [...calls, ...calls].entries()) {
      const items = itemsOf(1 + round)
      pushed.push(...shown(items))
      pushing.push(call(items))
      for (const item of items) item.fill(255)
      items.length = 0
    }
    await Promise.all(pushing)
    expect(await stored(device)).toEqual(pushed)
    await producer.close()
  })

  test('even if the item is a Buffer, whose slices share its memory', async () => {
    const device = await ringFor()
    await using writer = await RingWriter.open(device)
    const items = LENGTHS.map((length) => Buffer.alloc(length, 5))
    const pushing = writer.pushMany(items)
    for (const item of items) item.fill(255)
    await pushing
    expect(await stored(device)).toEqual(shown(itemsOf(5)))
  })
})

describe('an item whose length changes after the call', () => {
  /** Larger than what is taken, and as small as that a moment later. */
  const shrinking = (): { readonly item: Uint8Array; readonly shrink: () => void } => {
    const memory = new ArrayBuffer(101, { maxByteLength: 101 })
    return { item: new Uint8Array(memory), shrink: () => memory.resize(5) }
  }
  const refused = expect.objectContaining({ code: 'RING_ITEM_TOO_LARGE' })
  const options = { maxItemBytes: 100 }

  test('is what it was at the call, with the primitives', async () => {
    const device = await ringFor()
    const producer = await attachProducer(device, options)
    const calls: readonly ((item: Uint8Array) => Promise<unknown>)[] = [
      (item) => producer.push(item),
      (item) => producer.pushMany([item]),
      (item) => producer.append([item]),
    ]
    for (const call of calls) {
      const { item, shrink } = shrinking()
      const pushing = call(item)
      shrink()
      await expect(pushing).rejects.toEqual(refused)
    }
    await producer.close()
    expect(await stored(device)).toEqual([])
  })

  test('is what it was at the call: of a writer, also behind a codec that takes its time', async () => {
    const device = await ringFor()
    const codec: Codec<Uint8Array> = {
      ...bytes,
      encode: (item) => (item.length > 5 ? item : Promise.resolve(item)),
    }
    await using writer = await RingWriter.open(device, { ...options, codec })
    const calls: readonly ((item: Uint8Array) => Promise<unknown>)[] = [
      (item) => writer.tryPush(item),
      (item) => writer.push(item),
      (item) => writer.pushMany([item]),
    ]
    for (const call of calls) {
      const before = writer.push(Uint8Array.of(1))
      const { item, shrink } = shrinking()
      const pushing = call(item)
      shrink()
      await expect(pushing).rejects.toEqual(refused)
      await before
    }
    expect(await stored(device)).toEqual(['1 x 1', '1 x 1', '1 x 1'])
  })
})

test('an item has the length of its bytes, whatever its class says', async () => {
  class Named extends Uint8Array {
    override get length(): number {
      return -50
    }
  }
  const device = await ringFor()
  await using writer = await RingWriter.open(device)
  const items = [new Uint8Array(60).fill(1), new Named(0), new Named(3), new Uint8Array(60).fill(2)]
  await Promise.all(items.map((item) => writer.push(item)))
  expect(await stored(device)).toEqual(['60 x 1', '0 x ', '3 x 0', '60 x 2'])
})

/** What takes items of so many bytes at most. */
function taking(maxItemBytes: number): ItemLimits {
  return { device: new MemoryBlockDevice({ sizeSectors: 1 }), format: 2, maxItemBytes }
}

describe('a large item, which a batch is made around', () => {
  /** Words that no batch may hold as they are, at every place where a structure could begin. */
  const planted = (length: number, fill: number): Uint8Array => {
    const item = new Uint8Array(length).fill(fill)
    for (let at = 0; at + 4 <= length; at += 4) item.set([0x53, 0x42, 0x52, 0x42], at)
    item[length - 1] = fill
    return item
  }

  test('is stored as it was, alone and with others, whatever it holds', async () => {
    const device = await ringFor()
    await using writer = await RingWriter.open(device)
    const pushed: string[] = []
    for (const [round, length] of [70_000, 9000, 65_448, 65_449, 20_000, 70_000].entries()) {
      const item = planted(length, round)
      pushed.push(digestOf(item))
      await writer.push(item)
      const pair = [planted(length, round + 10), planted(300, round + 20)]
      pushed.push(...pair.map(digestOf))
      await Promise.all(pair.map((each) => writer.push(each)))
    }
    const found = (await collect((await inspectRing(device)).items())).map(({ item }) => item)
    expect(found.map(digestOf)).toEqual(pushed)
  })

  test('is stored as it was, with others in one call, whatever they hold and however long they are', async () => {
    const device = await ringFor()
    await using writer = await RingWriter.open(device)
    await using reader = await RingReader.open(device)
    const calls = [
      Array.from({ length: 40 }, () => 4096),
      // The first says what room there will be: too much, and too little.
      [9000, 8000, 512, 0, 8999, 9000, 9000, 9000, 9000, 9000],
      [2000, 20_000, 3000, ...Array.from({ length: 40 }, () => 2000)],
      // More than a batch takes.
      Array.from({ length: 300 }, () => 3000),
      // In one commit with another call.
      Array.from({ length: 40 }, () => 4096),
    ]
    for (const [round, lengths] of calls.entries()) {
      const items = lengths.map((length, index) =>
        length === 0 ? new Uint8Array() : planted(length, index),
      )
      const expected = items.map(digestOf)
      const before = round === 4 ? writer.push(planted(20_000, 99)) : undefined
      const pushing = writer.pushMany(items)
      for (const item of items) item.fill(255)
      await before
      await pushing
      if (before !== undefined) expected.unshift(digestOf(planted(20_000, 99)))
      const found: string[] = []
      while (found.length < expected.length) {
        for (const { item, ack } of await reader.receiveMany()) {
          found.push(digestOf(item))
          await ack()
        }
      }
      expect(found).toEqual(expected)
    }
  })

  // Format 1 copies items into sectors.
  test.runIf(FORMAT === 2).each<[string, (writer: RingWriter, fill: number) => Promise<unknown>]>([
    ['alone', (writer, fill) => writer.push(planted(70_000, fill))],
    [
      'with others',
      (writer, fill) => writer.pushMany([8, 9, 7].map((n) => planted(n * 9999, fill))),
    ],
  ])('keeps its memory after a failure: it may still be sent, %s', async (_, push) => {
    const device = await ringFor()
    const sent: Uint8Array[] = []
    let fails = false
    const late = new (class extends ForwardingBlockDevice {
      override async write(sector: number, buffers: readonly Uint8Array[]): Promise<void> {
        sent.push(...buffers)
        if (fails && sector > 64)
          throw new BlockError('BLOCK_READ_ONLY', 'refused', { device: 'late' })
        await super.write(sector, buffers, { durable: true })
      }
    })(device)
    const writer = await RingWriter.open(late)
    await push(writer, 3)
    const used = sent.at(-1) as Uint8Array
    await push(writer, 4)
    expect(sent.at(-1)?.buffer).toBe(used.buffer)
    fails = true
    await expect(push(writer, 1)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
    const left = sent.at(-1) as Uint8Array
    const before = digestOf(left)
    await expect(push(writer, 2)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
    expect(sent.at(-1)?.buffer).not.toBe(left.buffer)
    expect(digestOf(left)).toBe(before)
    await writer.close()
  })
})

test('items are kept whatever their lengths are, and nothing is copied twice', () => {
  const limits = taking(20_000)
  fc.assert(
    fc.property(fc.array(fc.nat(20_000), { maxLength: 40 }), (lengths) => {
      const memory = new ItemMemory()
      const items = lengths.map((length, index) => new Uint8Array(length).fill(index + 1))
      const expected = shown(items)
      const own = memory.own(items, limits)
      for (const item of items) item.fill(255)
      expect(shown(own)).toEqual(expected)
      expect(memory.own(own, limits)).toBe(own)
    }),
  )
})

test('an item that is too large, or no bytes, is refused before it is copied', () => {
  const memory = new ItemMemory()
  const tooLarge = expect.objectContaining({ code: 'RING_ITEM_TOO_LARGE' })
  expect(memory.keep(new Uint8Array(100), taking(100))).toHaveLength(100)
  expect(() => memory.keep(new Uint8Array(101), taking(100))).toThrow(tooLarge)
  expect(() => memory.own(['none' as never], taking(100))).toThrow(TypeError)
})
