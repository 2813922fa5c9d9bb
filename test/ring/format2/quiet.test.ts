import { expect, test } from 'vitest'
import type { BlockWatch } from '../../../src/block/device.ts'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { copy } from '../../../src/block/ops/index.ts'
import { isRingError } from '../../../src/errors.ts'
import { Producer } from '../../../src/ring/access/attach.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { attachProducer } from '../../helpers/ring.ts'

const BLOCK = 4096

/** A device that notes its requests, and may lose reports of changes. */
class ReportingDevice extends HookedDevice {
  isDeaf = false

  override watch(onChange: () => void): BlockWatch {
    return super.watch(() => {
      if (!this.isDeaf) onChange()
    })
  }
}

/** A ring, and a reader that has waited long. The device reports no changes, unless it is said that it does. */
async function quiet(options: { readonly maxPollMs?: number } = {}, watch = false) {
  const below = new MemoryBlockDevice({ sizeSectors: 1024 })
  await Producer.create(below)
  const clock = new FakeClock()
  const device = new ReportingDevice(below, { watch })
  const reader = await RingReader.open(device, { clock, ...options })
  const received = reader.receive()
  received.catch(() => undefined)
  await clock.advance(20_000)
  device.requests.length = 0
  return { below, device, clock, reader, received }
}

/** What is read while nothing happens. */
async function readIn(ms: number, options: { readonly maxPollMs?: number } = {}) {
  const { device, clock, reader } = await quiet(options)
  await clock.advance(ms)
  const reads = device.requests.filter(({ operation }) => operation === 'read')
  await reader.close()
  return {
    heads: reads.filter(({ bytes }) => bytes === 512).length,
    slots: reads.filter(({ bytes }) => bytes === 4 * BLOCK).length,
    all: reads.length,
  }
}

/** What another program writes, block by block. */
async function writesOf(below: MemoryBlockDevice, push: (producer: Producer) => Promise<unknown>) {
  const fork = new MemoryBlockDevice({ sizeSectors: 1024 })
  await copy(below, fork)
  const producer = await attachProducer(fork)
  await push(producer)
  const after = new Uint8Array(1024 * 512)
  await fork.read(0, [after])
  // Closing would checkpoint that the batch is whole.
  await producer.close()
  return async (from: number, to: number) => below.write(from / 512, [after.subarray(from, to)])
}

test('a poll reads one sector, and the slots once a second', async () => {
  const { heads, slots, all } = await readIn(10_000)
  expect(heads).toBeGreaterThanOrEqual(20)
  expect(slots).toBeGreaterThanOrEqual(8)
  expect(slots).toBeLessThanOrEqual(11)
  // Who sees that neither has changed reads nothing else.
  expect(all).toBe(heads + slots)
})

test('a shorter maxPollMs is how often it looks at the slots', async () => {
  const { heads, slots, all } = await readIn(1000, { maxPollMs: 20 })
  expect(slots).toBeGreaterThanOrEqual(45)
  expect(heads).toBe(slots)
  expect(all).toBe(heads + slots)
})

/** A reader that has waited long, on a device that can be read at once. */
async function quietNow(clock = new FakeClock()) {
  const below = new MemoryBlockDevice({ sizeSectors: 1024 })
  await Producer.create(below)
  let looks = 0
  class Prompt extends HookedDevice {
    isPrompt = true
    fails = false
    readNow(sectorStart: number, buffer: Uint8Array): boolean {
      looks++
      if (this.fails) throw new Error('no more')
      return this.isPrompt && below.readNow(sectorStart, buffer)
    }
  }
  const device = new Prompt(below, { watch: false })
  const reader = await RingReader.open(device, { clock })
  const received = reader.receive()
  received.catch(() => undefined)
  await clock.advance(20_000)
  device.requests.length = 0
  return { below, device, clock, reader, received, looks: () => looks }
}

test('a device that can be read at once gets no requests while nothing happens', async () => {
  const { device, clock, reader, looks } = await quietNow()
  const before = looks()
  await clock.advance(10_000)
  expect(device.requests).toEqual([])
  // Four times a second the sector, and once the slots.
  expect(looks() - before).toBeGreaterThanOrEqual(45)
  expect(looks() - before).toBeLessThanOrEqual(55)
  await reader.close()
})

test('an item is seen there at the next poll', async () => {
  const { below, clock, received } = await quietNow()
  await using writer = await RingWriter.open(below)
  await writer.push(new Uint8Array([7]))
  await clock.advance(250)
  expect((await received).item).toEqual(new Uint8Array([7]))
})

test('a device that throws instead is read, and holds up no other reader', async () => {
  const failing = await quietNow()
  const other = await quietNow(failing.clock)
  failing.device.fails = true
  for (const { below } of [failing, other]) {
    await using writer = await RingWriter.open(below)
    await writer.push(new Uint8Array([7]))
  }
  await failing.clock.advance(1000)
  for (const { received } of [failing, other])
    expect((await received).item).toEqual(new Uint8Array([7]))
})

test('a device that cannot be read at once any more is read', async () => {
  const { below, device, clock, received } = await quietNow()
  device.isPrompt = false
  await clock.advance(1000)
  expect(device.requests.length).toBeGreaterThanOrEqual(4)
  await using writer = await RingWriter.open(below)
  await writer.push(new Uint8Array([7]))
  await clock.advance(250)
  expect((await received).item).toEqual(new Uint8Array([7]))
})

test('a poll uses what another call has read of the slots', async () => {
  const { below, clock, reader, received } = await quietNow()
  const writer = await RingWriter.open(below)
  // It knows the writer's epoch by now.
  await clock.advance(20_000)
  // A commit that is lost: only the slots tell that there was one.
  const { dataOffset } = (await Disk.open(below)).layout
  await writer.push(new Uint8Array([7]))
  await writer.close()
  await below.write(dataOffset / 512, [new Uint8Array(BLOCK)])
  await reader.state()
  await clock.advance(1300)
  const error = await received.catch((thrown: unknown) => thrown)
  expect(isRingError(error) && error.code).toBe('RING_DAMAGED')
})

test('an item is seen at the next poll', async () => {
  const { below, clock, received } = await quiet()
  await using writer = await RingWriter.open(below)
  for (const wait of [0, 250, 500]) await clock.advance(wait)
  await writer.push(new Uint8Array([7]))
  await clock.advance(250)
  expect((await received).item).toEqual(new Uint8Array([7]))
})

test('an item that the device reports takes one read', async () => {
  const { below, device, clock, received } = await quiet({}, true)
  await using writer = await RingWriter.open(below)
  // It looks at everything, and is quiet again.
  await clock.advance(1000)
  device.requests.length = 0
  await writer.push(new Uint8Array([7]))
  const { item, ack } = await received
  expect(item).toEqual(new Uint8Array([7]))
  const reads = device.requests.map(({ operation, bytes }) => [operation, bytes])
  expect(reads).toEqual([['read', 2 * BLOCK]])
  await ack()
})

test('a report of something else takes a read too, which a later look does not go by', async () => {
  const { below, device, clock, received } = await quiet({}, true)
  await using writer = await RingWriter.open(below)
  // It looks at everything, and is quiet again.
  await clock.advance(1000)
  device.take()
  const sector = new Uint8Array(512)
  await below.read(1000, [sector])
  await below.write(1000, [sector])
  await clock.advance(1)
  const bytes = device.take().map((request) => request.bytes)
  expect(bytes.length).toBeGreaterThan(0)
  expect(bytes).toEqual(bytes.map(() => 2 * BLOCK))
  device.isDeaf = true
  await writer.push(new Uint8Array([7]))
  let isReceived = false
  void received.then(() => {
    isReceived = true
  })
  await clock.advance(1000)
  expect(isReceived).toBe(true)
})

test('the end of a batch whose header was read before takes one read', async () => {
  const { below, clock, received } = await quiet()
  let isReceived = false
  void received.then(() => {
    isReceived = true
  })
  const item = new Uint8Array(3 * BLOCK).fill(7)
  const write = await writesOf(below, (producer) => producer.append([item]))
  const { dataOffset } = (await Disk.open(below)).layout
  await write(0, dataOffset + BLOCK)
  await clock.advance(1500)
  expect(isReceived).toBe(false)
  // The rest comes, and the header's sector stays as it is.
  await write(dataOffset + BLOCK, dataOffset + 8 * BLOCK)
  await clock.advance(250)
  expect((await received).item).toEqual(item)
})

test('an item takes one read where the reader has already looked', async () => {
  const { below, clock, reader, received } = await quiet()
  await using writer = await RingWriter.open(below)
  await writer.push(new Uint8Array([7]))
  // By this the log is read after the item, and the block that is next now stays as it is.
  expect(await reader.consumer.popMany()).toHaveLength(1)
  await clock.advance(250)
  expect((await received).item).toEqual(new Uint8Array([7]))
})

test.each([
  ['read', () => quiet()],
  ['read at once', () => quietNow()],
] as const)('a ring that replaces it is seen within a second, %s', async (_, quietly) => {
  const { below, clock, received } = await quietly()
  const other = new MemoryBlockDevice({ sizeSectors: 1024 })
  await Producer.create(other)
  await copy(other, below)
  await clock.advance(1300)
  const error = await received.catch((thrown: unknown) => thrown)
  expect(isRingError(error) && error.code).toBe('RING_ROLE_CONFLICT')
})

test('rewinding ends the wait at the next poll', async () => {
  const { below, clock, reader, received } = await quiet()
  await using writer = await RingWriter.open(below)
  await writer.push(new Uint8Array([7]))
  await clock.advance(250)
  await received
  const again = reader.receive()
  await clock.advance(20_000)
  await reader.rewind()
  await clock.advance(250)
  expect((await again).item).toEqual(new Uint8Array([7]))
})
