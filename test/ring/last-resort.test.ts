import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice, ReadOnlyBlockDevice } from '../../src/block/index.ts'
import { BlockError } from '../../src/errors.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { Disk } from '../../src/ring/format2/disk/disk.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { instant } from '../helpers/fake-clock.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, ringDevice, smallRing } from '../helpers/ring.ts'

const item = (length: number): Uint8Array => new Uint8Array(length).fill(7)

test('invalid options of a ring are refused before anything is written', async () => {
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 1024 }))
  for (const [options, type, message] of [
    [{ format: 3 as 2 }, TypeError, /format is 1 or 2, not 3/],
    [{ blockSize: 3000 }, RangeError, /power of two from 512 to 65536, not 3000/],
    [{ blockSize: 131072 }, RangeError, /not 131072/],
    [{ name: 'ö'.repeat(129) }, RangeError, /at most 256 bytes, not 258/],
  ] as const) {
    const created = Producer.create(device, options)
    await expect(created).rejects.toThrow(type)
    await expect(created).rejects.toThrow(message)
  }
  expect(device.take().filter(({ operation }) => operation === 'write')).toEqual([])
})

test('a device that is too small for a ring of format 2 says how large it has to be', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 100 })
  await expect(Producer.create(device, { format: 2 })).rejects.toMatchObject({
    code: 'RING_DEVICE_TOO_SMALL',
    details: { device: 'memory', expected: 'at least 65536 bytes', found: '51200' },
  })
})

test.each([
  [{ refreshIntervalMs: -1 }, /refreshIntervalMs must be a number from 0, not -1/],
  [{ refreshIntervalMs: Number.NaN }, /not NaN/],
  [{ maxItemBytes: -1 }, /maxItemBytes must be a whole number from 0, not -1/],
  [{ maxItemBytes: 1.5 }, /not 1.5/],
])('an option that is out of range takes no role: %o', async (options, message) => {
  const device = await smallRing()
  await expect(Producer.attach(device, options)).rejects.toThrow(message)
  await expect(Consumer.attach(device, options)).rejects.toThrow(message)
  // Neither role stays taken.
  await (await attachProducer(device)).close()
  await (await Consumer.attach(device)).close()
})

test('a producer on a read-only device says so first, whoever has the role', async () => {
  const device = await smallRing()
  const producer = await attachProducer(device)
  const readOnly = await ReadOnlyBlockDevice.open(device)
  await expect(Producer.attach(readOnly)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
  await producer.close()
  await expect(Producer.attach(readOnly)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
  await append(await attachProducer(device), item(1))
})

test('a handle whose file was replaced says so in every call, and not that a write failed', async () => {
  const device = new HookedDevice(await smallRing())
  // Its time stands still, or it might have to read first, and a failed read ends nothing.
  const producer = await attachProducer(device, { clock: instant })
  const replaced = new BlockError('BLOCK_REPLACED', 'the file was replaced', { device: 'file' })
  device.before = () => {
    throw replaced
  }
  await expect(producer.append([item(1)])).rejects.toBe(replaced)
  device.before = () => undefined
  await expect(producer.append([item(1)])).rejects.toBe(replaced)
  await expect(producer.state()).rejects.toBe(replaced)
})

test('an inspection does not read an item into memory that is larger than its limit', async () => {
  const device = await smallRing()
  const producer = await attachProducer(device)
  await append(producer, item(10))
  await append(producer, item(400))
  await append(producer, item(10))
  const found: number[] = []
  const reading = async (): Promise<void> => {
    const { items } = await inspectRing(device, { maxItemBytes: 100 })
    for await (const { item } of items()) found.push(item.length)
  }
  await expect(reading()).rejects.toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
  expect(found).toEqual([10])
})

describe.runIf(FORMAT === 2)('format 2', () => {
  test('a producer does not attach while another one keeps writing its slots', async () => {
    const inner = await smallRing()
    const device = new HookedDevice(inner)
    const disk = await Disk.open(inner)
    let writes = 0
    device.before = async ({ operation }) => {
      if (operation !== 'flush') return
      const { producer } = await disk.readSlots()
      const slots = producer.map((slot) => ('generation' in slot ? slot : undefined))
      const [first, second] = slots
      if (first === undefined || second === undefined) throw new Error('a slot is damaged')
      const [older, newest] = first.generation < second.generation ? [0, second] : [1, first]
      await disk.writeProducerSlot(older as 0 | 1, {
        ...newest,
        generation: newest.generation + 1,
      })
      writes++
    }
    await expect(Producer.attach(device)).rejects.toMatchObject({
      code: 'RING_ROLE_CONFLICT',
      details: { field: 'producer', expected: 'no other producer', found: 'changing slots' },
    })
    expect(writes).toBeGreaterThan(1)
    // Once the other one is quiet, it attaches.
    device.before = () => undefined
    await (await attachProducer(device)).close()
  })

  test('slots that are different on each read are not called damaged', async () => {
    const inner = await smallRing()
    const { slots, blockSize } = (await Disk.open(inner)).layout
    const device = new HookedDevice(inner)
    let reads = 0
    device.afterRead = ({ sector }, [buffer]) => {
      if (sector * 512 === slots.offset) buffer?.fill(++reads, 64, blockSize)
    }
    await expect(verifyRing(device)).rejects.toMatchObject({
      code: 'RING_UNSTABLE',
      details: { offset: slots.offset },
    })
    expect(reads).toBeGreaterThan(1)
  })

  test('if the consumer goes back, the marker of what was pushed waits for room, and nothing is overwritten', async () => {
    const device = await smallRing(8192)
    const disk = await Disk.open(device)
    const before = await disk.readSlots()
    const producer = await attachProducer(device, { refreshIntervalMs: 0 })
    const consumer = await Consumer.attach(device)
    // Half a lap, acknowledged; then the other half, not committed yet.
    for (let count = 0; count < 8; count++) await producer.append([item(300)])
    await consumer.advance((await consumer.popMany()).at(-1)?.position ?? consumer.position)
    await consumer.close()
    let last = producer.position
    for (let count = 0; count < 8; count++) {
      const result = await producer.push(item(301))
      if (result.status !== 'ok') throw new Error(`push answered ${result.status}`)
      last = result.position
    }
    // The storage loses its cache, and with it what the consumer wrote.
    for (const which of [0, 1] as const) {
      const slot = before.consumer[which]
      if (!('seen' in slot)) throw new Error('a slot is damaged')
      await disk.writeConsumerSlot(which, slot)
    }
    await expect(producer.advance(last)).rejects.toMatchObject({ code: 'RING_NO_ROOM' })
    // Nothing was overwritten: the consumer gets the first half again, and once that is acknowledged, the advance
    // succeeds.
    const next = await Consumer.attach(device)
    const again = await next.popMany()
    expect(again.map(({ item }) => item.length)).toEqual(Array(8).fill(300))
    await next.advance(again.at(-1)?.position ?? next.position)
    await next.close()
    await producer.advance(last)
    const reader = await Consumer.attach(device)
    const popped = await reader.popMany()
    expect(popped.map(({ item }) => item.length)).toEqual(Array(8).fill(301))
  })
})

describe.runIf(FORMAT === 1)('format 1', () => {
  test('a consumer does not deliver what may have been only in a cache that was lost as it read', async () => {
    class Forgetful extends HookedDevice {
      incarnations = 1
      override get incarnation(): number {
        return this.incarnations
      }
    }
    const inner = await ringDevice()
    const device = new Forgetful(inner)
    const consumer = await Consumer.attach(device, { refreshIntervalMs: Number.MAX_VALUE })
    await append(await attachProducer(inner), item(10))
    device.afterRead = ({ sector }) => {
      // The pointers are read; the connection is lost before the item is.
      if (sector >= 3) device.incarnations++
    }
    await expect(consumer.pop()).rejects.toMatchObject({ code: 'BLOCK_LOST' })
    await expect(consumer.pop()).rejects.toMatchObject({ code: 'RING_POISONED' })
  })
})
