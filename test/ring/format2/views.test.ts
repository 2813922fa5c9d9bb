import { expect, test, vi } from 'vitest'
import { PooledBuffer } from '../../../src/block/buffer-pool.ts'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { BlockError } from '../../../src/errors.ts'
import { Producer } from '../../../src/ring/access/attach.ts'
import type { RingEntry } from '../../../src/ring/queue/entry.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { attachProducer } from '../../helpers/ring.ts'

// Items as views of the memory that they were read into.

const MIB = 1 << 20
const VIEWS = { views: true }

async function ringWith(items: readonly Uint8Array[], device = memory()): Promise<RingReader> {
  await Producer.create(device)
  const producer = await attachProducer(device)
  await producer.append(items)
  await producer.close()
  return RingReader.open(device)
}

function memory(sizeBytes = 4 * MIB): MemoryBlockDevice {
  return new MemoryBlockDevice({ sizeSectors: sizeBytes / 512 })
}

function itemsOf(count: number, length = 20_000): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => new Uint8Array(length).fill(index + 1))
}

/** Items that look like batches, so that they are masked. */
function plantedItems(count: number): Uint8Array[] {
  return itemsOf(count).map((item) => {
    for (let at = 4; at + 4 <= item.length; at += 4) item.set([0x53, 0x42, 0x52, 0x42], at)
    return item
  })
}

test('views hold the items, and share the memory that was read', async () => {
  await using reader = await ringWith(itemsOf(3))
  const entries = await reader.receiveMany(VIEWS)
  expect(entries.map(({ item }) => item)).toEqual(itemsOf(3))
  expect(new Set(entries.map(({ item }) => item.buffer)).size).toBe(1)
  expect((entries[0]?.item.buffer.byteLength ?? 0) % 4096).toBe(0)
})

test('a view is detached once all entries in its memory are acknowledged', async () => {
  await using reader = await ringWith(itemsOf(3))
  const entries = await reader.receiveMany(VIEWS)
  const items = entries.map(({ item }) => item)
  await reader.ackThrough(entries[1] as (typeof entries)[1])
  // The last one still has it.
  expect(items).toEqual(itemsOf(3))
  await entries[2]?.ack()
  // The next read lets go of it too.
  expect(await reader.tryReceiveMany(VIEWS)).toHaveLength(0)
  expect(items.map(({ length }) => length)).toEqual([0, 0, 0])
})

test('a slow entry keeps its own memory, and no other', async () => {
  await using reader = await ringWith(itemsOf(60, 40_000))
  const slow = (await reader.receiveMany({ ...VIEWS, maxItems: 1 }))[0]
  for (let number = 2; number <= 60; number++) {
    const [entry] = await reader.receiveMany({ ...VIEWS, maxItems: 1 })
    expect(entry?.item).toEqual(itemsOf(60, 40_000)[number - 1])
    await entry?.ack()
    expect(slow?.item[39_999]).toBe(1)
  }
})

test('what a program does to a view does not come back: it is read and verified again', async () => {
  await using reader = await ringWith(itemsOf(5))
  for (let round = 0; round < 3; round++) {
    const entries = await reader.receiveMany(VIEWS)
    expect(entries.map(({ item }) => item)).toEqual(itemsOf(5))
    for (const { item } of entries) item.fill(0xee)
    expect(await reader.bytesOf(entries[2] as (typeof entries)[2])).toEqual(itemsOf(5)[2])
    await reader.rewind()
  }
  expect((await reader.receiveMany()).map(({ item }) => item)).toEqual(itemsOf(5))
})

test.each([1, 3, 100])(
  'what a program does to a view does not come back where each item is a batch, %i at a time',
  async (maxItems) => {
    const device = memory()
    await Producer.create(device, { blockSize: 512 })
    await using writer = await RingWriter.open(device)
    for (const item of itemsOf(9, 3)) await writer.push(item)
    await using reader = await RingReader.open(device)
    for (let round = 0; round < 4; round++) {
      const got: (number | undefined)[] = []
      for (let call = 0; call < 9; call++) {
        const entries = await reader.tryReceiveMany({ ...VIEWS, maxItems })
        got.push(...entries.map(({ item }) => item[0]))
        for (const { item } of entries) item.fill(0xee)
      }
      expect(got).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
      await reader.rewind()
    }
  },
)

test.each([
  ['one batch', itemsOf(9)],
  ['masked', plantedItems(9)],
])(
  'a program that transfers a view takes nothing from what comes after it: %s',
  async (_, items) => {
    await using reader = await ringWith(items)
    for (let round = 0; round < 3; round++) {
      const got: Uint8Array[] = []
      for (let entries = await taken(reader); entries.length > 0; entries = await taken(reader)) {
        got.push(...entries.map(({ item }) => new Uint8Array(item)))
        for (const { item } of entries) {
          if (item.length > 0)
            structuredClone(item.buffer, { transfer: [item.buffer as ArrayBuffer] })
        }
      }
      expect(got).toEqual(items)
      await reader.rewind()
    }
    expect((await reader.receiveMany()).map(({ item }) => item)).toEqual(items)
  },
)

function taken(reader: RingReader): Promise<readonly RingEntry<Uint8Array>[]> {
  return reader.tryReceiveMany({ ...VIEWS, maxItems: 2 })
}

test('a program that transfers a view takes nothing from other items where each is a batch', async () => {
  const device = memory()
  await Producer.create(device, { blockSize: 512 })
  await using writer = await RingWriter.open(device)
  for (const item of itemsOf(9, 3)) await writer.push(item)
  await using reader = await RingReader.open(device)
  for (let round = 0; round < 3; round++) {
    const got: (number | undefined)[] = []
    for (let entries = await taken(reader); entries.length > 0; entries = await taken(reader)) {
      got.push(...entries.map(({ item }) => item[0]))
      const buffer = entries[0]?.item.buffer as ArrayBuffer
      structuredClone(buffer, { transfer: [buffer] })
    }
    expect(got).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    await reader.rewind()
  }
})

test('what was popped before a read failed does not stay pinned', async () => {
  const device = memory()
  await Producer.create(device)
  await using writer = await RingWriter.open(device)
  for (const item of itemsOf(2, 300_000)) await writer.push(item)
  await using reader = await RingReader.open(device)
  const pin = vi.spyOn(PooledBuffer.prototype, 'pin')
  const unpin = vi.spyOn(PooledBuffer.prototype, 'unpin')
  const read = device.read.bind(device)
  device.read = async (sector, buffers) => {
    if (pin.mock.calls.length > 0)
      throw new BlockError('BLOCK_IO', 'unreadable', { device: device.name })
    return read(sector, buffers)
  }
  await expect(reader.receiveMany(VIEWS)).rejects.toMatchObject({ code: 'BLOCK_IO' })
  expect(pin).toHaveBeenCalled()
  expect(unpin).toHaveBeenCalledTimes(pin.mock.calls.length)
  device.read = read
  expect((await reader.receiveMany(VIEWS)).map(({ item }) => item)).toEqual(itemsOf(2, 300_000))
})

test('items that were read for views are copies without the option', async () => {
  await using reader = await ringWith(itemsOf(4))
  const [first] = await reader.receiveMany({ ...VIEWS, maxItems: 1 })
  const rest = await reader.receiveMany()
  expect(rest.map(({ item }) => item)).toEqual(itemsOf(4).slice(1))
  for (const { item } of rest) expect(item.buffer).not.toBe(first?.item.buffer)
  await reader.ackAll([...rest, ...(first === undefined ? [] : [first])])
  expect(rest.map(({ item }) => item)).toEqual(itemsOf(4).slice(1))
})

test('masked items are views as well', async () => {
  const planted = plantedItems(3)
  await using reader = await ringWith(planted)
  const entries = await reader.receiveMany(VIEWS)
  const items = entries.map(({ item }) => item)
  expect(items).toEqual(planted)
  await reader.ackAll(entries)
  expect(items.map(({ length }) => length)).toEqual([0, 0, 0])
})

test('views keep a bounded amount of memory; beyond that, items are copies', async () => {
  const device = memory(100 * MIB)
  await Producer.create(device)
  const item = new Uint8Array(MIB).fill(7)
  await using writer = await RingWriter.open(device)
  for (let count = 0; count < 90; count++) await writer.push(item)
  await using reader = await RingReader.open(device)
  const buffers = new Set<ArrayBufferLike>()
  let copies = 0
  for (let count = 0; count < 90; count++) {
    const [entry] = await reader.receiveMany({ ...VIEWS, maxItems: 1 })
    if (entry === undefined) throw new Error('an item is missing')
    expect(entry.item[MIB - 1]).toBe(7)
    if (entry.item.buffer.byteLength === MIB) copies++
    else buffers.add(entry.item.buffer)
  }
  const pinned = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
  // What is read at once is a few MiB.
  expect(pinned / MIB).toBeLessThan(64 + 8)
  expect(copies).toBeGreaterThan(10)
})

test('memory that cannot be detached is overwritten, and not used again', async () => {
  const shared = new Uint8Array(8 * MIB)
  let used = 0
  const device = memory()
  device.allocate = (bytes) => {
    used += bytes
    return shared.subarray(used - bytes, used)
  }
  await using reader = await ringWith(itemsOf(2), device)
  const entries = await reader.receiveMany(VIEWS)
  const items = entries.map(({ item }) => item)
  expect(items).toEqual(itemsOf(2))
  await reader.ackAll(entries)
  expect(items.map((item) => new Set(item))).toEqual([new Set([0xdb]), new Set([0xdb])])
  expect(shared).toHaveLength(8 * MIB)
})

test('a view of an item that was overwritten stays good: nobody acknowledged it', async () => {
  const device = memory(MIB)
  await Producer.create(device, { onFull: 'overwrite' })
  await using writer = await RingWriter.open(device)
  await using reader = await RingReader.open(device)
  await writer.pushMany(itemsOf(3))
  const lost = await reader.receiveMany(VIEWS)
  const items = lost.map(({ item }) => item)
  for (const item of itemsOf(60)) await writer.push(item)
  await reader.rewind()
  for (let others = lost; others.length > 0; ) {
    others = await reader.tryReceiveMany(VIEWS)
    await reader.ackAll(others)
  }
  expect(reader.unacked.entries).toBe(0)
  expect(items).toEqual(itemsOf(3))
  await reader.ackAll(lost)
  expect(items).toEqual(itemsOf(3))
})

test('a view is good in process until its entry is settled', async () => {
  await using reader = await ringWith(itemsOf(6))
  const seen: Uint8Array[] = []
  let failures = 0
  const handler = async (item: Uint8Array): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    if (failures++ === 2) throw new Error('once more')
    expect(new Set(item)).toEqual(new Set([item[0]]))
    seen.push(item)
  }
  const options = { ...VIEWS, concurrency: 3, backoff: { firstMs: 1 }, untilEmpty: true }
  expect(await reader.process(handler, options)).toMatchObject({ handled: 6, failedAttempts: 1 })
  expect(seen.map(({ length }) => length)).toEqual([0, 0, 0, 0, 0, 0])
})

test('items are copies in format 1', async () => {
  const device = memory()
  await Producer.create(device, { format: 1 })
  await using writer = await RingWriter.open(device)
  await writer.pushMany(itemsOf(2))
  await using reader = await RingReader.open(device)
  const entries = await reader.receiveMany(VIEWS)
  await reader.ackAll(entries)
  expect(entries.map(({ item }) => item)).toEqual(itemsOf(2))
})
