import dc from 'node:diagnostics_channel'
import { expect, onTestFinished, test, vi } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { NbdBlockDevice, type NbdEvent } from '../../src/block/nbd/index.ts'
import type { Clock } from '../../src/clock.ts'
import { text } from '../../src/codec/index.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import type { LeaseEvent } from '../../src/ring/format2/lease/events.ts'
import type { ReaderEvent, WriterEvent } from '../../src/ring/queue/events.ts'
import type { WorkEvent } from '../../src/ring/queue/process/types.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { memoryNbd } from '../helpers/memory-nbd.ts'

const CHANNELS = ['writer', 'reader', 'lease', 'nbd', 'work', 'held', 'journal']

let rings = 0
/** A ring whose name no other test has: all channels are the process's. */
async function ring(
  sizeBytes = 128 * 1024,
  onFull: 'wait' | 'overwrite' = 'wait',
): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: sizeBytes / 512, name: `ring-${++rings}` })
  await Producer.create(device, { blockSize: 512, onFull })
  return device
}

/** What is published on a channel about a device while a test runs. */
function heard<Event extends { readonly device: string }>(
  channel: string,
  device: string,
): readonly Event[] {
  const events: Event[] = []
  const listen = (message: unknown): void => {
    if ((message as Event).device === device) events.push(message as Event)
  }
  dc.subscribe(`shared-block-ring:${channel}`, listen)
  onTestFinished(() => void dc.unsubscribe(`shared-block-ring:${channel}`, listen))
  return events
}

test('a writer publishes its commits, and what its pushes waited for', async () => {
  const device = await ring()
  const events = heard<WriterEvent>('writer', device.name)
  const writer = await RingWriter.open(device, { codec: text, queue: 'q', client: 'c' })
  await Promise.all([writer.push('a'), writer.push('bc'), writer.pushMany(['d', 'e'])])
  expect(await writer.tryPush('f')).toMatchObject({ status: 'ok' })
  await writer.close()
  await writer.close()
  const names = { device: device.name, queue: 'q', client: 'c' }
  expect(events).toEqual([
    { ...names, event: 'opened' },
    expect.objectContaining({
      ...{ ...names, event: 'committed', items: 4, bytes: 5, queuedBytes: 0 },
      position: expect.any(BigInt),
      // All in one turn.
      pushes: [{ count: 3, waitedMs: expect.any(Number) }],
    }),
    expect.objectContaining({
      event: 'committed',
      items: 1,
      pushes: [{ count: 1, waitedMs: expect.any(Number) }],
    }),
    { ...names, event: 'closed', rejected: 0 },
  ])
  const [, commit] = events as [WriterEvent, Extract<WriterEvent, { readonly event: 'committed' }>]
  for (const { waitedMs } of commit.pushes)
    expect(waitedMs).toBeGreaterThanOrEqual(commit.durationMs)
})

test('a writer publishes a full ring, a suspended one, and its own overload', async () => {
  const device = await ring(64 * 1024)
  const events = heard<WriterEvent>('writer', device.name)
  await using writer = await RingWriter.open(device, { maxQueuedItems: 1, refreshIntervalMs: 0 })
  const told = (): string[] =>
    events.map((event) => (event.event === 'blocked' ? event.reason : event.event))
  const item = new Uint8Array(10_000)
  while ((await writer.tryPush(item)).status === 'ok');
  expect(told().filter((event) => event !== 'committed')).toEqual(['opened', 'full'])
  const waiting = writer.push(item)
  await expect(writer.push(item)).rejects.toMatchObject({ code: 'RING_OVERLOADED' })
  expect(told()).toContain('overloaded')
  const consumer = await Consumer.attach(device)
  const popped = await consumer.popMany()
  await consumer.advance(popped.at(-1)?.position ?? consumer.position)
  await consumer.close()
  await waiting
  expect(events.findLast(({ event }) => event === 'woken')).toMatchObject({
    by: expect.stringMatching(/hint|poll/),
  })
  const asking = await Consumer.attach(device)
  await asking.suspend()
  expect(await writer.tryPush(item)).toEqual({ status: 'suspended' })
  expect(told().at(-1)).toBe('suspended')
  await asking.close()
})

test('a reader publishes what it delivers, delivers again and acknowledges', async () => {
  const device = await ring()
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(['a', 'b', 'c'])
  const events = heard<ReaderEvent>('reader', device.name)
  const reader = await RingReader.open(device, { codec: text })
  const entries = await reader.receiveMany()
  await reader.rewind()
  await reader.receiveMany({ maxItems: 2 })
  await reader.receive()
  await reader.ackAll(entries)
  const next = reader.receive()
  await vi.waitUntil(() => events.some(({ event }) => event === 'woken'))
  await writer.push('d')
  await (await next).ack()
  await reader.close()
  const told = events.filter(({ event }) => event !== 'woken')
  expect(told).toMatchObject([
    { event: 'opened', queue: 'unknown', client: 'unknown' },
    { event: 'received', redelivered: 0, unackedEntries: 3, at: expect.any(Number) },
    { event: 'received', redelivered: 2, unackedEntries: 3 },
    { event: 'received', redelivered: 1, unackedEntries: 3 },
    { event: 'acknowledged', count: 3, unackedEntries: 0, position: entries.at(-1)?.position },
    { event: 'received', redelivered: 0 },
    { event: 'acknowledged', count: 1 },
    { event: 'closed' },
  ])
  const [, first] = told as [ReaderEvent, Extract<ReaderEvent, { readonly event: 'received' }>]
  expect(first.entries.map(({ storedBytes }) => storedBytes)).toEqual([1, 1, 1])
  expect(first.entries[0]?.pushedAt).toBe(entries[0]?.pushedAt)
  expect(first).toMatchObject({
    ...{ bytes: 3, missed: 0 },
    pushes: [{ count: 3, pushedAt: entries[0]?.pushedAt }],
  })
})

test('what was overwritten is counted with the entries after it', async () => {
  const device = await ring(128 * 1024, 'overwrite')
  await using writer = await RingWriter.open(device, { codec: text })
  for (let number = 0; number < 200; number++) await writer.push('x'.repeat(1000))
  const events = heard<ReaderEvent>('reader', device.name)
  await using reader = await RingReader.open(device, { codec: text })
  const entries = await reader.receiveMany()
  const missed = entries.reduce((sum, entry) => sum + (entry.missed ?? 0), 0)
  expect(missed).toBe(200 - entries.length)
  expect(events).toContainEqual(expect.objectContaining({ event: 'received', missed }))
})

test('lazy acknowledgements are published once they are written', async () => {
  const device = await ring()
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(['a', 'b', 'c'])
  const events = heard<ReaderEvent>('reader', device.name)
  await using reader = await RingReader.open(device, { codec: text, lazyAck: true })
  for (const entry of await reader.receiveMany()) await entry.ack()
  const acknowledged = (): readonly ReaderEvent[] =>
    events.filter(({ event }) => event === 'acknowledged')
  expect(acknowledged()).toEqual([])
  await reader.flush()
  expect(acknowledged()).toMatchObject([{ count: 3, unackedEntries: 0 }])
})

test('each attempt of a handler has its time, and acknowledgements are published together', async () => {
  const device = await ring()
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(['good', 'bad', 'fine'])
  const events = heard<WorkEvent>('work', device.name)
  const acks = heard<ReaderEvent>('reader', device.name)
  await using reader = await RingReader.open(device, { codec: text })
  await reader.process(
    (item) => {
      if (item === 'bad') throw new Error('no')
    },
    {
      ...{ attempts: 2, backoff: { firstMs: 1 }, untilEmpty: true, concurrency: 3 },
      deadLetter: async () => undefined,
    },
  )
  const kinds = events.map(({ event }) => event).sort()
  expect(kinds).toEqual(['deadLettered', 'failed', 'failed', 'handled', 'retried'])
  const [handled] = events.filter((one) => one.event === 'handled')
  expect(handled).toEqual({
    ...{ device: device.name, queue: 'unknown', client: 'unknown', event: 'handled' },
    entries: [expect.objectContaining({ item: 'good' }), expect.objectContaining({ item: 'fine' })],
    succeeded: [
      { count: 1, attempt: 1, durationMs: expect.any(Number) },
      { count: 1, attempt: 1, durationMs: expect.any(Number) },
    ],
  })
  for (const event of events.filter((one) => 'durationMs' in one)) {
    expect(event).toMatchObject({ durationMs: expect.any(Number), attempt: expect.any(Number) })
  }
  const counts = acks.flatMap((event) => (event.event === 'acknowledged' ? [event.count] : []))
  expect(counts.reduce((sum, entries) => sum + entries, 0)).toBe(3)
})

test('a lease is published when it is taken, renewed, released, and lost', async () => {
  const device = await ring()
  const events = heard<LeaseEvent>('lease', device.name)
  const lease = { owner: 'host-a', timeoutMs: 5000 }
  const clock = new FakeClock()
  const passing = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    const over = work.finally(() => {
      isOver = true
    })
    while (!isOver) await clock.advance(100)
    return await over
  }
  const reader = await passing(RingReader.open(device, { lease, clock }))
  await clock.advance(2 * lease.timeoutMs)
  expect(events.filter(({ event }) => event === 'renewed').length).toBeGreaterThan(1)
  await passing(reader.close())
  const [taken] = events
  expect(taken).toEqual({
    ...{ device: device.name, role: 'consumer', owner: 'host-a', timeoutMs: 5000, event: 'taken' },
  })
  expect(events.at(-1)?.event).toBe('released')
  expect(new Set(events.slice(1, -1).map(({ event }) => event))).toEqual(new Set(['renewed']))

  const again = await passing(RingReader.open(device, { lease, clock }))
  // Somebody else writes where the lease is.
  const { sectorSize } = await device.getInfo()
  const bytes = device.allocate(sectorSize * 128)
  await device.read(0, [bytes])
  for (let at = 0; at < bytes.length; at += sectorSize) {
    const isLease = bytes.subarray(at, at + sectorSize).includes('h'.charCodeAt(0))
    const text = new TextDecoder('latin1').decode(bytes.subarray(at, at + sectorSize))
    if (!isLease || !text.includes('host-a')) continue
    await device.write(at / sectorSize, [device.allocate(sectorSize)])
  }
  await clock.advance(lease.timeoutMs)
  expect(events.at(-1)).toMatchObject({ event: 'lost', error: { code: 'RING_LEASE_LOST' } })
  await passing(again.close())
  expect(events.at(-1)?.event).toBe('lost')
})

test('an NBD client publishes its requests, and connections that it loses and makes again', async () => {
  let connections = 0
  const server = memoryNbd(async (peer) => {
    const isFirst = connections++ === 0
    await peer.agree()
    for (let requests = 0; ; requests++) {
      const request = await peer.request()
      if (isFirst && requests === 1) peer.socket.destroy()
      else peer.simple(request)
    }
  })
  const uri = 'nbd://told/'
  const events = heard<NbdEvent>('nbd', uri)
  const device = await NbdBlockDevice.open(uri, { dial: server.dial })
  await device.write(0, [Buffer.alloc(512)])
  await expect(device.write(1, [Buffer.alloc(1024)])).rejects.toMatchObject({ code: 'BLOCK_LOST' })
  await device.write(1, [Buffer.alloc(1024)])
  await device.disconnect()
  expect(events).toMatchObject([
    { event: 'request', command: 'write', bytes: 512, inFlight: 0 },
    { event: 'lost' },
    { event: 'request', command: 'write', bytes: 1024, error: expect.anything() },
    { event: 'connected' },
    { event: 'request', command: 'write', bytes: 1024 },
  ])
})

/** A writer, a reader and handlers at work; how often the clock was asked meanwhile. */
async function work(): Promise<number> {
  let asked = 0
  const clock: Clock = {
    now: () => {
      asked++
      return 0
    },
    time: () => 0,
    sleep: (_, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      }),
  }
  const device = await ring()
  await using writer = await RingWriter.open(device, { codec: text, clock })
  await using reader = await RingReader.open(device, { codec: text, clock })
  await Promise.all(Array.from({ length: 100 }, () => writer.push('a')))
  await writer.pushMany(['b', 'c'])
  for (const entry of await reader.receiveMany({ maxItems: 50 })) await entry.ack()
  await reader.process(() => undefined, { untilEmpty: true })
  return asked
}

test('nothing is published, and no time taken, while nobody listens', async () => {
  const channels = CHANNELS.map((name) => dc.channel(`shared-block-ring:${name}`))
  expect(channels.filter(({ hasSubscribers }) => hasSubscribers)).toEqual([])
  const spies = channels.map((channel) => vi.spyOn(channel, 'publish'))
  const silent = await work()
  for (const spy of spies) expect(spy).not.toHaveBeenCalled()
  vi.restoreAllMocks()
  // And this test would see it.
  const events: unknown[] = []
  const listen = (event: unknown): void => void events.push(event)
  for (const name of CHANNELS) dc.subscribe(`shared-block-ring:${name}`, listen)
  const told = await work()
  for (const name of CHANNELS) dc.unsubscribe(`shared-block-ring:${name}`, listen)
  expect(events.length).toBeGreaterThan(50)
  expect(told).toBeGreaterThan(silent + 10)
})
