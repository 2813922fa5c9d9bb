import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import type { Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { collect } from '../../helpers/collect.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { attachProducer } from '../../helpers/ring.ts'

const RARELY = { refreshIntervalMs: 1e9 }

async function ring(kib = 256, sectorSize = 512): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: (kib * 1024) / sectorSize, sectorSize })
  await Producer.create(device, { format: 2 })
  return device
}

const text = (item: Uint8Array): string => Buffer.from(item).toString()

async function all(consumer: Consumer): Promise<string[]> {
  return (await consumer.fold<string[]>((items, item) => [...items, text(item)], [])).accumulator
}

describe('format 2', () => {
  test.each([512, 4096])('hands items over, at sector size %i', async (sectorSize) => {
    const device = await ring(256, sectorSize)
    const producer = await attachProducer(device)
    const consumer = await Consumer.attach(device)
    expect(await consumer.pop()).toEqual({ status: 'retry' })
    const result = await producer.append(['one', 'two', 'three'].map((item) => Buffer.from(item)))
    expect(result.status).toBe('ok')
    const popped = await consumer.popMany()
    expect(popped.map(({ item }) => text(item))).toEqual(['one', 'two', 'three'])
    await consumer.advance(popped[1]?.position as Position)
    const again = await consumer.pop()
    expect(again.status === 'item' && text(again.item)).toBe('three')
    const state = await inspectRing(device)
    expect(state).toMatchObject({ format: 2, waitingItems: 1, waitingBytes: 5 })
    expect((await collect(state.items())).map(({ item }) => text(item))).toEqual(['three'])
  })

  test.each([512, 4096])(
    'the consumer is never before what it advanced past, though epochs were merged, blocks of %i',
    async (blockSize) => {
      const device = new MemoryBlockDevice({ sizeSectors: 4096 })
      await Producer.create(device, { format: 2, blockSize })
      for (let epoch = 0; epoch < 40; epoch++) {
        const producer = await attachProducer(device)
        await producer.append([Buffer.from('a'), Buffer.from('b')])
        await producer.close()
      }
      const consumer = await Consumer.attach(device)
      const popped = await consumer.popMany()
      expect(popped).toHaveLength(80)
      for (const [index, { position }] of popped.entries()) {
        await consumer.advance(position)
        expect(consumer.position).toBeGreaterThanOrEqual(position)
        await consumer.advance(popped[index - 1]?.position ?? position)
        const next = await consumer.pop()
        const expected = popped[index + 1]?.position
        expect(next.status === 'item' ? next.position : undefined).toBe(expected)
        // Whoever looks from outside sees what waits after the consumer's place.
        const { consumer: seen } = await inspectRing(device)
        if (expected !== undefined) expect(seen.position).toBeLessThan(expected)
      }
    },
  )

  test('keeps pushes uncommitted until the producer advances past them', async () => {
    const device = await ring()
    const producer = await attachProducer(device)
    const consumer = await Consumer.attach(device)
    const first = await producer.push(Buffer.from('a'))
    await producer.push(Buffer.from('b'))
    expect(await consumer.pop()).toEqual({ status: 'retry' })
    if (first.status !== 'ok') throw new Error(first.status)
    await producer.advance(first.position)
    expect((await consumer.popMany()).map(({ item }) => text(item))).toEqual(['a'])
    await producer.append([Buffer.from('c')])
    expect(await all(consumer)).toEqual(['a', 'b', 'c'])
  })

  test('continues after both roles attach again; uncommitted items are dropped', async () => {
    const device = await ring()
    let producer = await attachProducer(device)
    let consumer = await Consumer.attach(device)
    await producer.append([Buffer.from('a'), Buffer.from('b')])
    const pushed = await producer.pushMany([Buffer.from('x'), Buffer.from('y')])
    if (pushed.status !== 'ok') throw new Error(pushed.status)
    await producer.advance(pushed.positions[0] as Position)
    const [first] = await consumer.popMany()
    await consumer.advance(first?.position as Position)
    await producer.close()
    producer = await attachProducer(device)
    await producer.append([Buffer.from('c')])
    expect(await all(consumer)).toEqual(['b', 'x', 'c'])
    await consumer.close()
    consumer = await Consumer.attach(device)
    const popped = await consumer.popMany()
    expect(popped.map(({ item }) => text(item))).toEqual(['b', 'x', 'c'])
    await consumer.advance(popped.at(-1)?.position as Position)
    expect((await inspectRing(device)).waitingItems).toBe(0)
  })

  test('an append is one durable write, whatever it holds, and nothing is read', async () => {
    const device = new HookedDevice(await ring(4096))
    const producer = await attachProducer(device, RARELY)
    for (const count of [1, 10, 1000]) {
      device.take()
      const items = Array.from({ length: count }, () => new Uint8Array(100))
      expect((await producer.append(items)).status).toBe('ok')
      const requests = device.take()
      expect(requests.map(({ operation, durable }) => [operation, durable])).toEqual([
        ['write', true],
      ])
    }
  })

  test('goes round and round', async () => {
    const device = await ring(128)
    const producer = await attachProducer(device, { refreshIntervalMs: 0 })
    const consumer = await Consumer.attach(device, { refreshIntervalMs: 0 })
    const wanted: number[] = []
    const got: number[] = []
    for (let n = 0; n < 400; n++) {
      const size = (n * 7919) % 9000
      const result = await producer.append([new Uint8Array(size).fill(n)])
      if (result.status === 'ok') wanted.push(n % 256, size)
      if (result.status === 'retry' || n % 3 === 0) {
        const popped = await consumer.popMany()
        for (const { item } of popped) if (item.length > 0) got.push(item[0] ?? 0, item.length)
        for (const { position } of popped) await consumer.advance(position)
      }
    }
    for (const { item } of await consumer.popMany()) got.push(item[0] ?? 0, item.length)
    expect(got.length).toBeGreaterThan(400)
    const nonempty = wanted.filter((_, index) => wanted[index - (index % 2) + 1] !== 0)
    expect(got).toEqual(nonempty)
  })

  test('suspends and resumes', async () => {
    const device = await ring()
    let producer = await attachProducer(device, { refreshIntervalMs: 0 })
    const consumer = await Consumer.attach(device)
    expect(await consumer.suspend()).toEqual({ status: 'ok' })
    expect(await consumer.state()).toBe('running')
    expect(await producer.append([Buffer.from('a')])).toEqual({ status: 'suspended' })
    expect(await consumer.state()).toBe('suspended')
    await producer.close()
    expect(await Producer.attach(device)).toEqual({ status: 'suspended' })
    expect(await consumer.resume()).toEqual({ status: 'ok' })
    producer = await attachProducer(device)
    expect(await consumer.state()).toBe('running')
    expect((await producer.append([Buffer.from('a')])).status).toBe('ok')
  })

  test('much that is acknowledged at once is free at once, though nobody is idle', async () => {
    const clock = new FakeClock()
    const device = await ring()
    const producer = await attachProducer(device, { clock })
    const consumer = await Consumer.attach(device, { clock })
    const item = new Uint8Array(producer.capacityBytes / 2)
    for (let round = 0; round < 5; round++) {
      expect(await producer.append([item])).toMatchObject({ status: 'ok' })
      const [popped] = await consumer.popMany()
      await consumer.advance(popped?.position as Position)
    }
    await Promise.all([producer.close(), consumer.close()])
  })

  test('uncommitted items are dropped also where epochs are merged', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: 512 })
    await Producer.create(device, { format: 2, blockSize: 512 })
    const kept: string[] = []
    for (let life = 0; life < 20; life++) {
      const producer = await attachProducer(device)
      await producer.append([Buffer.from(`a${life}`)])
      const pushed = await producer.pushMany(['x', 'y'].map((item) => Buffer.from(item + life)))
      if (pushed.status === 'ok') await producer.advance(pushed.positions[0] as Position)
      kept.push(`a${life}`, `x${life}`)
      await producer.close()
    }
    const state = await inspectRing(device)
    expect((await collect(state.items())).map(({ item }) => text(item))).toEqual(kept)
    expect(await verifyRing(device)).toMatchObject({ findings: [], log: { items: kept.length } })
    const consumer = await Consumer.attach(device)
    expect(await all(consumer)).toEqual(kept)
    // One by one, so that places in between are found again.
    for (const item of kept) {
      const popped = await consumer.pop()
      expect(popped.status === 'item' && text(popped.item)).toBe(item)
      if (popped.status === 'item') await consumer.advance(popped.position)
    }
    await consumer.close()
  })

  test('one item that is not acknowledged does not hold the whole ring', async () => {
    const device = await ring(1024)
    const producer = await attachProducer(device)
    const consumer = await Consumer.attach(device)
    const items = Array.from({ length: 2000 }, () => new Uint8Array(1000))
    const filled = await producer.append(items)
    if (filled.status !== 'ok') throw new Error(filled.status)
    expect(filled.positions.length).toBeGreaterThan(700)
    expect(await all(consumer)).toHaveLength(filled.positions.length)
    await consumer.advance(filled.positions.at(-2) as Position)
    expect(await producer.append(items.slice(0, 500))).toMatchObject({ status: 'ok' })
  })

  test('how often there was no room is seen from outside while there is none', async () => {
    const device = await ring(128)
    const clock = new FakeClock()
    const producer = await attachProducer(device, { clock })
    while ((await producer.append([new Uint8Array(300)])).status === 'ok');
    const fullPushes = async () => (await inspectRing(device)).stats?.fullPushes
    expect(await fullPushes()).toBe(1)
    for (let n = 0; n < 5; n++) await producer.append([new Uint8Array(300)])
    await clock.advance(1000)
    await producer.append([new Uint8Array(300)])
    expect(await fullPushes()).toBe(7)
  })
})
