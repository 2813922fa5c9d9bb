import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { HookedDevice } from '../../helpers/hooked.ts'

const BLOCK = 4096
const SECTOR = 512
const RING_BYTES = 16 << 20
/** Two slots of each role, which are read together. */
const SLOTS_BYTES = 4 * BLOCK
/** What 1,000 items of 100 bytes take. */
const BATCH_BLOCKS = 27
/** Neither side looks by itself, and nothing is written because it is idle: this clock stands still. */
const QUIET = { refreshIntervalMs: 1e9, clock: new FakeClock() }

/** What some work asked of the device. */
interface Counts {
  readonly reads: number
  readonly readBytes: number
  readonly writes: number
  readonly writtenBytes: number
  /** Calls that wait for stable storage: durable writes and flushes. */
  readonly waits: number
  /** Bytes of memory for transfers. */
  readonly allocatedBytes: number
}

const NOTHING: Counts = {
  reads: 0,
  readBytes: 0,
  writes: 0,
  writtenBytes: 0,
  waits: 0,
  allocatedBytes: 0,
}

/** A device that counts what it is asked for. */
class CountingDevice extends HookedDevice {
  #allocatedBytes = 0

  override allocate(bytes: number): Uint8Array {
    this.#allocatedBytes += bytes
    return super.allocate(bytes)
  }

  /** What was asked since the last call. */
  counts(): Counts {
    const requests = this.take()
    const reads = requests.filter(({ operation }) => operation === 'read')
    const writes = requests.filter(({ operation }) => operation === 'write')
    const sum = (bytes: number, request: { readonly bytes: number }): number =>
      bytes + request.bytes
    const counts = {
      reads: reads.length,
      readBytes: reads.reduce(sum, 0),
      writes: writes.length,
      writtenBytes: writes.reduce(sum, 0),
      waits: requests.filter(({ operation, durable }) => operation === 'flush' || durable).length,
      allocatedBytes: this.#allocatedBytes,
    }
    this.#allocatedBytes = 0
    return counts
  }
}

/** One durable write of so many blocks, and memory for it. */
function oneWrite(blocks: number): Counts {
  const bytes = blocks * BLOCK
  return { ...NOTHING, writes: 1, writtenBytes: bytes, waits: 1, allocatedBytes: bytes }
}

/** Reads, with memory for them. Fewer are welcome. */
function expectAtMost(counts: Counts, limit: Pick<Counts, 'reads' | 'readBytes'>): void {
  const { reads, readBytes, allocatedBytes, ...writing } = counts
  expect(reads).toBeLessThanOrEqual(limit.reads)
  expect(readBytes).toBeLessThanOrEqual(limit.readBytes)
  expect(allocatedBytes).toBeLessThanOrEqual(limit.readBytes)
  expect(writing).toEqual({ writes: 0, writtenBytes: 0, waits: 0 })
}

function items(count: number, bytes = 100): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) => new Uint8Array(bytes).fill(index))
}

let device: CountingDevice

beforeEach(async () => {
  const memory = new MemoryBlockDevice({ sizeSectors: RING_BYTES / SECTOR, sectorSize: SECTOR })
  device = new CountingDevice(memory, { watch: false })
  await Producer.create(device, { format: 2, blockSize: BLOCK })
})

async function openWriter(): Promise<RingWriter> {
  const writer = await RingWriter.open(device, { ...QUIET, idleRefreshIntervalMs: Infinity })
  device.counts()
  return writer
}

/** A regression here costs every user on every machine; a timing would not show it on a busy one. */
describe('format 2 asks the device for no more than', () => {
  test.each([
    // A header of 80 bytes, and for each item 8 bytes and itself.
    ['one item', 1, 100, 1],
    ['an item that fills its block', 1, BLOCK - 88, 1],
    ['an item that just does not', 1, BLOCK - 87, 2],
    ['an item of 1 MiB', 1, 1 << 20, 257],
    ['1,000 items in one call', 1000, 100, BATCH_BLOCKS],
  ])('one write for %s', async (_, count, bytes, blocks) => {
    const writer = await openWriter()
    await writer.pushMany(items(count, bytes))
    expect(device.counts()).toEqual(oneWrite(blocks))
    if (count > 1) return
    await writer.push(new Uint8Array(bytes))
    expect(device.counts()).toEqual({ ...oneWrite(blocks), allocatedBytes: 0 })
  })

  test('one write for 64 pushes that are called together', async () => {
    const writer = await openWriter()
    await Promise.all(items(64).map((item) => writer.push(item)))
    expect(device.counts()).toEqual(oneWrite(2))
  })

  test('one write for all pushes that are called while one is written', async () => {
    const writer = await openWriter()
    let more: Promise<unknown> | undefined
    device.before = () => {
      more ??= Promise.all(items(63).map((item) => writer.push(item)))
    }
    await writer.push(new Uint8Array(100))
    await more
    expect(device.counts()).toEqual({
      ...oneWrite(1 + 2),
      writes: 2,
      waits: 2,
    })
  })

  test('one write for each push, from the memory of the one before', async () => {
    const writer = await openWriter()
    await writer.pushMany(items(64))
    device.counts()
    for (const item of items(3)) await writer.push(item)
    expect(device.counts()).toEqual({
      ...NOTHING,
      writes: 3,
      writtenBytes: 3 * BLOCK,
      waits: 3,
    })
  })

  test('one read for each refresh, into the memory of the one before', async () => {
    await using producer = (await openWriter()).producer
    await producer.state()
    device.counts()
    for (let look = 0; look < 3; look++) await producer.state()
    expect(device.counts()).toEqual({ ...NOTHING, reads: 3, readBytes: 3 * SLOTS_BYTES })
  })

  test('one slot for each 4 MiB of the log, until it wraps', async () => {
    const writer = await openWriter()
    for (const item of items(3000)) await writer.push(item)
    const { reads, writes, writtenBytes, waits } = device.counts()
    expect({ reads, writes, writtenBytes, waits }).toEqual({
      reads: 0,
      writes: 3000 + 2,
      writtenBytes: 3002 * BLOCK,
      waits: 3002,
    })
  })

  test('one read and one slot for each item that is taken as soon as it is there', async () => {
    const writer = await openWriter()
    await using consumer = await Consumer.attach(device, QUIET)
    for (const [index, item] of items(20).entries()) {
      await writer.push(item)
      device.counts()
      const popped = await consumer.pop()
      if (popped.status !== 'item') throw new Error(popped.status)
      expectAtMost(device.counts(), { reads: 1, readBytes: 2 * BLOCK })
      await consumer.advance(popped.position)
      // The memory of the first slot is used again.
      const allocatedBytes = index === 0 ? BLOCK : 0
      expect(device.counts()).toEqual({ ...oneWrite(1), allocatedBytes })
    }
  })

  test('two reads to find that there is nothing', async () => {
    await using consumer = await Consumer.attach(device, QUIET)
    await consumer.pop()
    device.counts()
    for (let look = 0; look < 3; look++) {
      expect((await consumer.pop()).status).toBe('retry')
      expectAtMost(device.counts(), { reads: 2, readBytes: SLOTS_BYTES + 2 * BLOCK })
    }
  })

  test('one read for all items that are there when some just came', async () => {
    const writer = await openWriter()
    await using consumer = await Consumer.attach(device, QUIET)
    const first = consumer.position
    await consumer.popMany()
    for (let round = 1; round <= 3; round++) {
      await writer.push(new Uint8Array(100))
      device.counts()
      // What was popped before is in memory; only what comes after it is read, and once.
      expect(await consumer.popMany({ from: first })).toHaveLength(round)
      expectAtMost(device.counts(), { reads: 1, readBytes: 2 * BLOCK })
    }
  })

  test('ten reads for 4 MiB of waiting batches, however few items at a time', async () => {
    const writer = await openWriter()
    for (let pushed = 0; pushed < 40; pushed++) await writer.pushMany(items(1000))
    await using consumer = await Consumer.attach(device, QUIET)
    device.counts()
    let from = consumer.position
    for (let taken = 0; taken < 40_000; taken += 100) {
      const popped = await consumer.popMany({ from, maxItems: 100 })
      expect(popped).toHaveLength(100)
      from = popped.at(-1)?.position ?? from
    }
    const bytes = 40 * BATCH_BLOCKS * BLOCK
    expectAtMost(device.counts(), { reads: 10, readBytes: 1.5 * bytes })
  })

  test('a read for 512 KiB of waiting single items', async () => {
    const writer = await openWriter()
    for (const item of items(1000)) await writer.push(item)
    await using consumer = await Consumer.attach(device, QUIET)
    device.counts()
    expect(await consumer.popMany({ maxItems: 1000 })).toHaveLength(1000)
    expectAtMost(device.counts(), { reads: (1000 * BLOCK) >> 19, readBytes: 1200 * BLOCK })
  })
})
