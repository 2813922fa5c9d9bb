import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { BlockError } from '../../../src/errors.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { HookedDevice, type Request } from '../../helpers/hooked.ts'
import { attachProducer } from '../../helpers/ring.ts'

// An append that needs several batches: each is encoded while the one before is written.

const BLOCK = 512
/** Blocks of the data area: a batch of several items takes a quarter of them at most. */
const DATA_BLOCKS = 64
const MIB = 1 << 20

/** A device that answers a write when the test says so. */
class SlowDevice extends HookedDevice {
  readonly waiting: { readonly request: Request; readonly end: (error?: unknown) => void }[] = []
  isSlow = false
  /** What was allocated, in bytes. */
  readonly allocated: number[] = []

  override before = (request: Request): Promise<void> | undefined => {
    if (!this.isSlow || request.operation !== 'write') return undefined
    return new Promise((resolve, reject) => {
      const end = (error?: unknown): void => (error === undefined ? resolve() : reject(error))
      this.waiting.push({ request, end })
    })
  }

  override allocate(bytes: number): Uint8Array {
    this.allocated.push(bytes)
    return super.allocate(bytes)
  }

  /** Ends the write that is under way, which is the only one. */
  async end(error?: unknown): Promise<void> {
    while (this.waiting.length === 0) await turn()
    expect(this.waiting).toHaveLength(1)
    this.waiting.shift()?.end(error)
    await turn()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function slowRing(dataBytes = DATA_BLOCKS * BLOCK, blockSize = BLOCK): Promise<SlowDevice> {
  const sizeSectors = (12 * Math.max(4096, blockSize) + dataBytes) / 512
  const device = new SlowDevice(new MemoryBlockDevice({ sizeSectors }))
  await Producer.create(device, { blockSize })
  return device
}

/** Items of two blocks' worth: eight fill a batch. */
function itemsOf(count: number, length = 2 * BLOCK - 40): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => new Uint8Array(length).fill(index + 1))
}

/** The first bytes of the items that a new consumer finds. */
async function found(device: SlowDevice): Promise<number[]> {
  const consumer = await Consumer.attach(device)
  const popped = await consumer.popMany({ maxItems: 1000 })
  await consumer.close()
  for (const { item } of popped) expect(new Set(item).size).toBe(1)
  return popped.map(({ item }) => item[0] as number)
}

function refusal(): BlockError {
  return new BlockError('BLOCK_READ_ONLY', 'no writes now', { device: 'slow' })
}

test('a batch is encoded while the one before is written, and written after it', async () => {
  const device = await slowRing()
  const producer = await attachProducer(device)
  device.isSlow = true
  device.allocated.length = 0
  const appended = producer.append(itemsOf(20))
  await turn()
  // Both batches are in memory, and one of them is on its way.
  expect(device.allocated).toEqual([16 * BLOCK, 16 * BLOCK])
  expect(device.waiting).toHaveLength(1)
  for (let write = 0; write < 3; write++) await device.end()
  expect(await appended).toMatchObject({ status: 'ok', pushed: 20 })
  device.isSlow = false
  await producer.close()
  expect(await found(device)).toEqual(itemsOf(20).map(([first]) => first))
})

test('at most two batches are in memory, however many there are', async () => {
  const device = await slowRing()
  const producer = await attachProducer(device)
  device.allocated.length = 0
  await producer.append(itemsOf(30))
  await producer.close()
  expect(device.allocated.filter((bytes) => bytes > 8 * BLOCK)).toEqual([16 * BLOCK, 16 * BLOCK])
})

test('what was encoded ahead is dropped when the write before it fails', async () => {
  const device = await slowRing()
  const producer = await attachProducer(device)
  device.isSlow = true
  const appended = producer.append(itemsOf(20))
  await device.end()
  const failure = new BlockError('BLOCK_IO', 'lost', { device: 'slow' })
  await device.end(failure)
  await expect(appended).rejects.toBe(failure)
  device.isSlow = false
  expect(device.waiting).toHaveLength(0)
  await expect(producer.append(itemsOf(1))).rejects.toMatchObject({ code: 'RING_POISONED' })
  await producer.close()
  const again = await attachProducer(device)
  await again.append([new Uint8Array(3).fill(99)])
  await again.close()
  expect(await found(device)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 99])
})

test('what was encoded ahead is dropped when the write before it is refused, and the handle continues', async () => {
  const device = await slowRing()
  const producer = await attachProducer(device)
  device.isSlow = true
  const appended = producer.append(itemsOf(20))
  await device.end()
  await device.end(refusal())
  expect(await appended).toMatchObject({ status: 'ok', pushed: 8 })
  device.isSlow = false
  await producer.append(itemsOf(20).slice(8))
  await producer.close()
  expect(await found(device)).toEqual(itemsOf(20).map(([first]) => first))
})

test('what lacks room is not encoded ahead', async () => {
  const device = await slowRing()
  const producer = await attachProducer(device)
  device.isSlow = true
  const appended = producer.append(itemsOf(40))
  for (let write = 0; write < 4; write++) await device.end()
  expect(await appended).toMatchObject({ status: 'ok', pushed: 32 })
  device.isSlow = false
  await producer.close()
  expect(await found(device)).toHaveLength(32)
})

test('a batch is encoded when its turn comes if there is no memory to do so ahead', async () => {
  const device = await slowRing()
  const producer = await attachProducer(device)
  const allocate = device.allocate.bind(device)
  device.isSlow = true
  device.allocate = (bytes) => {
    if (device.waiting.length > 0) throw new RangeError('Array buffer allocation failed')
    return allocate(bytes)
  }
  const appended = producer.append(itemsOf(20))
  for (let write = 0; write < 3; write++) await device.end()
  expect(await appended).toMatchObject({ status: 'ok', pushed: 20 })
  device.isSlow = false
  await producer.close()
  expect(await found(device)).toHaveLength(20)
})

test('items that begin like structures are masked in a batch that was encoded ahead', async () => {
  const device = await slowRing()
  const producer = await attachProducer(device)
  const items = itemsOf(20).map((item) => {
    for (let at = 0; at + 4 <= item.length; at += 4) item.set([0x53, 0x42, 0x52, 0x42], at)
    return item
  })
  await producer.append(items)
  await producer.close()
  const consumer = await Consumer.attach(device)
  const popped = await consumer.popMany({ maxItems: 100 })
  expect(popped.map(({ item }) => item)).toEqual(items)
  await consumer.close()
})

test('long batches of one append are about equally long', async () => {
  const device = await slowRing(40 * MIB, 4096)
  const producer = await attachProducer(device)
  device.take()
  await producer.append(itemsOf(1024, 4096))
  const written = device.take().filter(({ operation }) => operation === 'write')
  expect(written).toHaveLength(2)
  for (const { bytes } of written) expect(bytes / MIB).toBeCloseTo(2, 1)
  await producer.close()
})

test('large items are spread evenly over batches', async () => {
  const device = await slowRing(40 * MIB, 4096)
  const producer = await attachProducer(device)
  device.take()
  await producer.append(itemsOf(4, MIB))
  const written = device.take().filter(({ operation }) => operation === 'write')
  expect(written.map(({ bytes }) => Math.round(bytes / MIB))).toEqual([2, 2])
  await producer.close()
})
