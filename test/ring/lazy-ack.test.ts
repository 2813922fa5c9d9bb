import { expect, test } from 'vitest'
import { text } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { Consumer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { smallRing } from '../helpers/ring.ts'

const ITEMS = 25

/** A ring with items '0', '1', and so on. */
async function filled(): Promise<HookedDevice> {
  const device = new HookedDevice(await smallRing())
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(Array.from({ length: ITEMS }, (_, index) => String(index)))
  return device
}

/** What the next consumer gets first. */
async function firstLeft(device: HookedDevice): Promise<string | undefined> {
  await using reader = await RingReader.open(device, { codec: text })
  return (await reader.tryReceive())?.item
}

function writes(device: HookedDevice): number {
  return device.take().filter(({ operation }) => operation === 'write').length
}

test('many calls share one write, and after enough of them it is waited for', async () => {
  const device = await filled()
  const clock = new FakeClock()
  const options = { codec: text, clock, lazyAck: { maxCalls: 10, maxDelayMs: 1e6 } }
  await using reader = await RingReader.open(device, options)
  device.take()
  const { position } = reader.consumer
  for (let count = 1; count <= ITEMS; count++) {
    const entry = await reader.receive()
    await entry.ack()
    const given = Math.floor(count / 10) * 10
    if (given === 0) expect(reader.consumer.position).toBe(position)
    if (count === given) expect(reader.consumer.position).toBe(entry.position)
  }
  const written = writes(device)
  expect(written).toBeGreaterThanOrEqual(2)
  expect(written).toBeLessThanOrEqual(4)
  expect(reader.consumer.position).toBeLessThan(reader.position)
  await reader.flush()
  expect(reader.consumer.position).toBe(reader.position)
})

test('a call that acknowledges many entries counts once', async () => {
  const device = await filled()
  const options = { codec: text, clock: new FakeClock(), lazyAck: { maxCalls: 3, maxDelayMs: 1e6 } }
  await using reader = await RingReader.open(device, options)
  const { position } = reader.consumer
  const entries = await reader.receiveMany()
  await reader.ackAll(entries.slice(0, 10))
  await reader.ackThrough(entries[14] ?? position)
  // Nothing can advance by these: an entry before them is not acknowledged.
  await reader.ackAll(entries.slice(16, 20))
  expect(reader.consumer.position).toBe(position)
  await reader.ackAll(entries.slice(15, 20))
  expect(reader.consumer.position).toBe(entries[19]?.position)
})

test('waiting acknowledgements are written in time', async () => {
  const device = await filled()
  const clock = new FakeClock()
  await using reader = await RingReader.open(device, {
    codec: text,
    clock,
    lazyAck: { maxDelayMs: 300 },
  })
  const entry = await reader.receive()
  await entry.ack()
  const before = reader.consumer.position
  expect(before).toBeLessThan(entry.position)
  await clock.advance(299)
  expect(reader.consumer.position).toBe(before)
  await clock.advance(1)
  await reader.flush()
  expect(reader.consumer.position).toBe(entry.position)
})

test('acknowledgements during a write have one timer, however many calls follow', async () => {
  const device = await filled()
  const clock = new FakeClock()
  const options = { codec: text, clock, lazyAck: { maxDelayMs: 300 } }
  await using reader = await RingReader.open(device, options)
  await (await reader.receive()).ack()
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  device.before = ({ operation }) => (operation === 'write' ? held : undefined)
  await clock.advance(300)
  await (await reader.receive()).ack()
  release()
  await reader.flush()
  const { sleepers } = clock
  await (await reader.receive()).ack()
  expect(clock.sleepers).toBe(sleepers)
})

test('closing writes waiting acknowledgements; without it, their items are delivered again', async () => {
  const device = await filled()
  const open = () => RingReader.open(device, { codec: text, lazyAck: true })
  const first = await open()
  for (let count = 0; count < 3; count++) await (await first.receive()).ack()
  await first.close()
  expect(await firstLeft(device)).toBe('3')
  const second = await open()
  for (let count = 0; count < 3; count++) await (await second.receive()).ack()
  // As if the process ended.
  await second.consumer.close()
  expect(await firstLeft(device)).toBe('3')
  await second.close()
})

test('rewinding goes back to the first unacknowledged item', async () => {
  const device = await filled()
  await using reader = await RingReader.open(device, { codec: text, lazyAck: true })
  await (await reader.receive()).ack()
  await reader.receive()
  await reader.rewind()
  expect((await reader.receive()).item).toBe('1')
})

test('a write that fails is reported by the next call', async () => {
  const device = await filled()
  await using reader = await RingReader.open(device, { codec: text, lazyAck: { maxCalls: 2 } })
  await (await reader.receive()).ack()
  device.before = ({ operation }) => {
    if (operation === 'write') throw new BlockError('BLOCK_IO', 'broken', { device: device.name })
  }
  await expect((await reader.receive()).ack()).rejects.toMatchObject({ code: 'BLOCK_IO' })
  await expect(reader.flush()).rejects.toMatchObject({ code: 'BLOCK_IO' })
  device.before = () => undefined
  await reader.close()
  await using consumer = await Consumer.attach(device)
  expect(await consumer.pop()).toMatchObject({ item: text.encode('0') })
})

test('invalid options are refused', async () => {
  const device = await filled()
  const lazyAck = { maxCalls: 0 }
  await expect(RingReader.open(device, { lazyAck: lazyAck })).rejects.toThrow(RangeError)
  await expect(RingReader.open(device, { lazyAck: { maxDelayMs: 0 } })).rejects.toThrow(RangeError)
  expect(await firstLeft(device)).toBe('0')
})

test('a read that fails before the write has it tried again, without another acknowledgement', async () => {
  const device = await filled()
  const clock = new FakeClock()
  await using reader = await RingReader.open(device, {
    codec: text,
    clock,
    lazyAck: { maxDelayMs: 300 },
  })
  const { entry, left } = { entry: await reader.receive(), left: reader.consumer.position }
  await clock.advance(250)
  await entry.ack()
  let failed = 0
  device.before = ({ operation }) => {
    if (operation !== 'read' || failed++ > 0) return
    throw new BlockError('BLOCK_IO', 'a read fails', { device: 'x' })
  }
  await clock.advance(300)
  expect(failed).toBe(1)
  expect(reader.consumer.position).toBe(left)
  await clock.advance(300)
  expect(reader.consumer.position).toBe(entry.position)
})
