import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Codec } from '../../src/codec/codec.ts'
import { bytes } from '../../src/codec/index.ts'
import { inspectRing } from '../../src/ring/attach.ts'
import { ItemMemory } from '../../src/ring/own-items.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { collect } from '../helpers/collect.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { fc } from '../helpers/property.ts'
import { attachProducer, smallRing } from '../helpers/ring.ts'

/** One shares memory with others when it is kept, one does not. */
const LENGTHS = [10, 20_000]
const itemsOf = (fill: number): Uint8Array[] =>
  LENGTHS.map((length) => new Uint8Array(length).fill(fill))

const ringFor = async (): Promise<HookedDevice> => new HookedDevice(await smallRing(512 * 1024))

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

describe('what is pushed is what was there at the call', () => {
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
    await producer.detach()
  })

  test('though the item is a Buffer, whose slices share its memory', async () => {
    const device = await ringFor()
    await using writer = await RingWriter.open(device)
    const items = LENGTHS.map((length) => Buffer.alloc(length, 5))
    const pushing = writer.pushMany(items)
    for (const item of items) item.fill(255)
    await pushing
    expect(await stored(device)).toEqual(shown(itemsOf(5)))
  })
})

test('items are kept whatever their lengths are, and nothing is copied twice', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20_000), { maxLength: 40 }), (lengths) => {
      const memory = new ItemMemory()
      const items = lengths.map((length, index) => new Uint8Array(length).fill(index + 1))
      const expected = shown(items)
      const own = memory.own(items, Number.POSITIVE_INFINITY)
      for (const item of items) item.fill(255)
      expect(shown(own)).toEqual(expected)
      expect(memory.own(own, Number.POSITIVE_INFINITY)).toBe(own)
    }),
  )
})

test('what will be refused is not copied', () => {
  const item = new Uint8Array(101)
  const memory = new ItemMemory()
  expect(memory.keep(item, 100)).toBe(item)
  expect(memory.own([item, 'none' as never], 100)).toEqual([item, 'none'])
})
