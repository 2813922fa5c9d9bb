import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { json } from '../../src/codec/index.ts'
import { isPartialPushError, partitioned, partitionOf, repartition } from '../../src/fan/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { collect } from '../helpers/collect.ts'
import { HookedDevice } from '../helpers/hooked.ts'

interface Item {
  readonly key: string
  readonly number: number
}

const codec = json<Item>()
const keyOf = ({ key }: Item): string => key

async function devices(count: number): Promise<MemoryBlockDevice[]> {
  const made = Array.from({ length: count }, () => new MemoryBlockDevice({ sizeSectors: 2048 }))
  for (const device of made) await Producer.create(device, { blockSize: 512 })
  return made
}

async function itemsOf(device: MemoryBlockDevice): Promise<Item[]> {
  const items = await collect((await inspectRing(device)).items())
  return Promise.all(items.map(({ item }) => codec.decode(item)))
}

/** Items of some keys, in turn. */
const items = (keys: number, each: number): Item[] =>
  Array.from({ length: keys * each }, (_, at) => ({
    key: `key-${at % keys}`,
    number: Math.floor(at / keys),
  }))

/** Pushes items into the partitions of their keys. */
async function filled(rings: readonly MemoryBlockDevice[], all: readonly Item[]): Promise<void> {
  const writers: RingWriter<Item>[] = []
  for (const device of rings) writers.push(await RingWriter.open(device, { codec }))
  await partitioned(writers, keyOf).pushMany(all)
  for (const writer of writers) await writer.close()
}

/** Checks that each ring has only its keys, and each key all of its items in order. */
async function check(rings: readonly MemoryBlockDevice[], keys: number, each: number) {
  const found = new Map<string, number[]>()
  for (const [partition, device] of rings.entries()) {
    for (const { key, number } of await itemsOf(device)) {
      expect(partitionOf(key, rings.length)).toBe(partition)
      found.set(key, [...(found.get(key) ?? []), number])
    }
  }
  expect(found.size).toBe(keys)
  for (const numbers of found.values()) {
    expect(numbers).toEqual(Array.from({ length: each }, (_, number) => number))
  }
}

test('a key always has the same partition, whatever its type', () => {
  // Pinned: another version that answered otherwise would tear keys apart.
  const keys = ['', 'a', 'anna', 'ключ', 7, 7n, '7']
  expect(keys.map((key) => partitionOf(key, 5))).toEqual([0, 1, 1, 2, 3, 3, 3])
  expect(partitionOf('anna', 1)).toBe(0)
  expect(() => partitionOf({} as string, 5)).toThrow('found object')
  expect(() => partitionOf('a', 0)).toThrow(RangeError)
})

test('keys spread evenly', () => {
  for (const prefix of ['user-', '', 'https://example.org/orders/']) {
    const counts = Array.from({ length: 16 }, () => 0)
    for (let number = 0; number < 8_000; number++) {
      const partition = partitionOf(`${prefix}${number}`, 16)
      counts[partition] = (counts[partition] ?? 0) + 1
    }
    expect(Math.min(...counts)).toBeGreaterThan(400)
    expect(Math.max(...counts)).toBeLessThan(600)
  }
})

test('items go where their keys belong, in order', async () => {
  const rings = await devices(5)
  await filled(rings, items(20, 10))
  await check(rings, 20, 10)
  const writer = await RingWriter.open(rings[0] as MemoryBlockDevice, { codec })
  const one = partitioned([writer], keyOf)
  expect(one.writerOf({ key: 'a', number: 0 })).toBe(writer)
  expect(await one.push({ key: 'a', number: 0 })).toMatchObject({ partition: 0 })
})

test('nothing is pushed of many if one has no key', async () => {
  const [device] = await devices(1)
  if (device === undefined) return
  const writer = await RingWriter.open(device, { codec })
  const broken = partitioned([writer], ({ key, number }) => (number === 1 ? ({} as string) : key))
  await expect(broken.pushMany(items(1, 2))).rejects.toThrow('found object')
  expect(await itemsOf(device)).toEqual([])
})

test.each([
  [3, 5],
  [5, 2],
])('from %i partitions to %i, each key in its order', async (before, after) => {
  const [old, fresh] = [await devices(before), await devices(after)]
  await filled(old, items(20, 10))
  expect(await repartition(old, fresh, keyOf, { codec })).toEqual({ items: 200 })
  await check(fresh, 20, 10)
  for (const device of old) expect(await itemsOf(device)).toEqual([])
})

test('an interrupted move continues where it was', async () => {
  const [old, fresh] = [await devices(3), await devices(2)]
  await filled(old, items(20, 10))
  const stop = new AbortController()
  const onProgress = (): void => stop.abort(new Error('enough'))
  const moving = repartition(old, fresh, keyOf, { codec, onProgress, signal: stop.signal })
  await expect(moving).rejects.toThrow('enough')
  const moved = (await Promise.all(fresh.map(itemsOf))).flat().length
  expect(moved).toBeGreaterThan(0)
  expect(await repartition(old, fresh, keyOf, { codec })).toEqual({ items: 200 - moved })
  await check(fresh, 20, 10)
})

test('an item that does not decode stays, and so do all after it', async () => {
  const [old, fresh] = [await devices(1), await devices(2)]
  await using writer = await RingWriter.open(old[0] as MemoryBlockDevice)
  await writer.push(new TextEncoder().encode('no json'))
  await writer.close()
  await expect(repartition(old, fresh, keyOf, { codec })).rejects.toMatchObject({
    code: 'CODEC_DECODE',
  })
  await using reader = await RingReader.open(old[0] as MemoryBlockDevice)
  expect(await reader.tryReceive()).toBeDefined()
})

test('one ring is never both old and new, and nobody else may push or receive', async () => {
  const [old, fresh] = [await devices(2), await devices(2)]
  const again = new HookedDevice(old[0] as MemoryBlockDevice)
  await expect(repartition(old, [...fresh, again], keyOf, { codec })).rejects.toThrow('one ring')
  await expect(repartition(old, [], keyOf, { codec })).rejects.toThrow('at least one')
  await using writer = await RingWriter.open(old[1] as MemoryBlockDevice)
  await expect(repartition(old, fresh, keyOf, { codec })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
  })
  await writer.close()
  expect(await repartition(old, fresh, keyOf, { codec })).toEqual({ items: 0 })
})

test('rings of format 1, which have no identity of their own, are told apart by their devices', async () => {
  const made = Array.from({ length: 3 }, () => new MemoryBlockDevice({ sizeSectors: 1024 }))
  for (const device of made) await Producer.create(device, { format: 1 })
  const [old, one, other] = made as [MemoryBlockDevice, MemoryBlockDevice, MemoryBlockDevice]
  const item = { key: 'a' }
  await using writer = await RingWriter.open(old, { codec: json<typeof item>() })
  await writer.push(item)
  await writer.close()
  const by = ({ key }: typeof item): string => key
  const options = { codec: json<typeof item>() }
  await expect(repartition([old], [one, old], by, options)).rejects.toThrow('one ring')
  const again = new HookedDevice(old)
  await expect(repartition([old], [one, again], by, options)).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
  })
  expect(await repartition([old], [one, other], by, options)).toEqual({ items: 1 })
})

test('a push of many answers where each partition ends', async () => {
  const rings = await devices(3)
  const writers: RingWriter<Item>[] = []
  for (const device of rings) writers.push(await RingWriter.open(device, { codec }))
  const users = partitioned(writers, keyOf)
  const all = items(8, 2)
  const positions = await users.pushMany(all)
  const partitions = [...new Set(all.map(({ key }) => partitionOf(key, 3)))].sort()
  expect(positions).toEqual(
    partitions.map((partition) => ({
      partition,
      position: writers[partition]?.producer.position,
    })),
  )
  expect(await users.pushMany([])).toEqual([])
  const [first = { key: '', number: 0 }] = all
  const one = await users.push(first)
  expect(one.position).toBe(writers[one.partition]?.producer.position)
})

test('a push of many that fails in one partition tells which ones have their items', async () => {
  const rings = await devices(2)
  const writers: RingWriter<Item>[] = []
  for (const device of rings) writers.push(await RingWriter.open(device, { codec }))
  const [sound, broken] = writers as [RingWriter<Item>, RingWriter<Item>]
  const users = partitioned(writers, keyOf)
  const all = items(8, 2)
  await broken.close()
  const error: unknown = await users.pushMany(all).catch((thrown) => thrown)
  if (!isPartialPushError(error)) throw error
  expect([...error.durable.keys()]).toEqual([sound])
  expect([...error.failed]).toEqual([[broken, expect.objectContaining({ code: 'RING_CLOSED' })]])
  expect(error.message).toContain(rings[1]?.name)
  const missing = all.filter((item) => error.failed.has(users.writerOf(item)))
  expect(missing.length + (await itemsOf(rings[0] as MemoryBlockDevice)).length).toBe(all.length)
  // Only to the closed one: no ring has a part of it.
  await expect(users.pushMany(missing)).rejects.toMatchObject({ code: 'RING_CLOSED' })
})

test('closing withdraws what waits, and leaves the writers open', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 144 })
  await Producer.create(device, { blockSize: 512 })
  await using writer = await RingWriter.open(device)
  while ((await writer.tryPush(new Uint8Array(400))).status === 'ok');
  const waiting: Promise<unknown>[] = []
  {
    await using one = partitioned([writer], () => 'key')
    waiting.push(one.push(new Uint8Array(1)), one.pushMany([new Uint8Array(2)]))
    for (const each of waiting) each.catch(() => undefined)
    const [closed, again] = [one.close(), one.close()]
    expect(await closed).toEqual({ rejected: 2 })
    expect(await again).toEqual({ rejected: 2 })
    await expect(one.push(new Uint8Array(3))).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await expect(one.pushMany([])).rejects.toMatchObject({ code: 'RING_CLOSED' })
  }
  for (const each of waiting) await expect(each).rejects.toThrow('its writers were not')
  expect((await writer.tryPush(new Uint8Array(400))).status).toBe('full')
})
