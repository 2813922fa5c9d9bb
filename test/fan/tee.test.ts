import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { json, text } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { type DroppedBranch, isPartialPushError, tee } from '../../src/fan/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import type { CreateOptions } from '../../src/ring/types.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { left } from './rings.ts'

interface Out {
  readonly device: MemoryBlockDevice
  readonly writer: RingWriter<string>
}

async function out(create: CreateOptions = {}, sizeSectors = 144): Promise<Out> {
  const device = new MemoryBlockDevice({ sizeSectors })
  await Producer.create(device, { blockSize: 512, ...create })
  return { device, writer: await RingWriter.open(device, { codec: text }) }
}

/** Fills a ring. */
async function fill({ writer }: Out): Promise<void> {
  while ((await writer.tryPush('x'.repeat(400))).status === 'ok');
}

test('an item is durable in all branches, in the order of the calls', async () => {
  const [one, other] = [await out(), await out()]
  const both = tee([one.writer, { writer: other.writer }])
  const [, , last] = await Promise.all([both.push('a'), both.pushMany(['b', 'c']), both.push('d')])
  expect([...last]).toEqual([
    [one.writer, one.writer.producer.position],
    [other.writer, other.writer.producer.position],
  ])
  expect(await left(one)).toEqual(['a', 'b', 'c', 'd'])
  expect(await left(other)).toEqual(['a', 'b', 'c', 'd'])
})

test('a push waits for the slow branch, and a signal ends that', async () => {
  const [one, slow] = [await out(), await out()]
  await fill(slow)
  const both = tee([one.writer, slow.writer])
  let isDurable = false
  const pushed = both.push('a').then(() => {
    isDurable = true
  })
  while ((await left(one)).length === 0);
  expect(isDurable).toBe(false)
  const stop = new AbortController()
  const stopped = both.push('b', { signal: stop.signal })
  stop.abort(new Error('enough'))
  await expect(stopped).rejects.toThrow('enough')
  await using reader = await RingReader.open(slow.device)
  await reader.ackAll(await reader.receiveMany())
  await pushed
  expect(await left(slow)).toEqual(['a'])
})

test('a branch that overwrites its oldest waits for nobody', async () => {
  const [one, telemetry] = [await out({}, 1024), await out({ onFull: 'overwrite' })]
  const both = tee([one.writer, { writer: telemetry.writer, onSlow: 'overwrite' }])
  for (let number = 0; number < 80; number++) await both.push(`${number} ${'x'.repeat(300)}`)
  expect((await left(one)).length).toBe(80)
  const kept = await left(telemetry)
  expect(kept.length).toBeLessThan(80)
  expect(kept.at(-1)).toMatch(/^79 /)
  expect(() => tee([{ writer: one.writer, onSlow: 'overwrite' }])).toThrow('keeps its oldest')
})

test('a branch that is too slow is dropped and reported, and its push withdrawn', async () => {
  const clock = new FakeClock()
  const [one, slow] = [await out(), await out()]
  const told: DroppedBranch<string>[] = []
  const both = tee([one.writer, { writer: slow.writer, onSlow: 'drop' }], {
    dropAfterMs: 1000,
    onDropped: (branch) => told.push(branch),
    clock,
  })
  await both.push('a')
  await fill(slow)
  const before = (await left(slow)).length
  const pushed = both.pushMany(['b', 'c'])
  await clock.advance(999)
  expect(told).toEqual([])
  await clock.advance(1)
  await pushed
  expect(told).toEqual([{ writer: slow.writer, durableTo: expect.any(BigInt), error: undefined }])
  await both.push('d')
  expect(await left(one)).toEqual(['a', 'b', 'c', 'd'])
  expect(both.writers).toEqual([one.writer])
  await using reader = await RingReader.open(slow.device)
  await reader.ackAll(await reader.receiveMany({ maxItems: before }))
  // It is back from here on, without what it missed.
  both.add(slow.writer)
  await both.push('e')
  expect(await left(slow)).toEqual(['e'])
  expect(clock.sleepers).toBe(0)
})

test('an exception of onDropped is thrown by the push that waited', async () => {
  const clock = new FakeClock()
  const [one, slow] = [await out(), await out()]
  while ((await slow.writer.tryPush('s'.repeat(500))).status === 'ok');
  const both = tee([one.writer, { writer: slow.writer, onSlow: 'drop' }], {
    ...{ dropAfterMs: 1000, clock },
    onDropped: () => {
      throw new Error('no one to tell')
    },
  })
  const pushed = both.push('s'.repeat(500)).catch((error: unknown) => error)
  await clock.advance(1000)
  const error = await pushed
  expect(isPartialPushError(error) && [...error.durable.keys()]).toEqual([one.writer])
  expect(error).toMatchObject({ cause: { message: 'no one to tell' } })
  expect(both.writers).toEqual([one.writer])
})

test('a branch that fails is dropped if it may be; otherwise the push fails', async () => {
  const sound = await out()
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 144 }))
  await Producer.create(device, { blockSize: 512 })
  const writer = await RingWriter.open(device, { codec: text, idleRefreshIntervalMs: Infinity })
  device.before = ({ operation }) => {
    if (operation === 'write') throw new BlockError('BLOCK_IO', 'no', { device: 'hooked' })
  }
  const told: unknown[] = []
  const lossy = tee([sound.writer, { writer, onSlow: 'drop' }], {
    onDropped: ({ error }) => told.push(error),
  })
  await lossy.push('a')
  expect(told).toMatchObject([{ code: 'BLOCK_IO' }])
  const error: unknown = await tee([writer, sound.writer])
    .push('b')
    .catch((thrown) => thrown)
  if (!isPartialPushError(error)) throw error
  expect(error).toMatchObject({
    code: 'PUSH_PARTIAL',
    details: { durable: [sound.device.name], failed: [device.name] },
    cause: { code: 'RING_POISONED' },
  })
  expect([...error.durable]).toEqual([[sound.writer, sound.writer.producer.position]])
  expect([...error.failed]).toEqual([[writer, error.cause]])
  expect(await left(sound)).toEqual(['a', 'b'])
})

test('a branch whose device hangs holds up no push once it is dropped', async () => {
  const clock = new FakeClock()
  const sound = await out()
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 144 }))
  await Producer.create(device, { blockSize: 512 })
  const writer = await RingWriter.open(device, { codec: text })
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  device.before = () => released
  const told: unknown[] = []
  const lossy = tee([sound.writer, { writer, onSlow: 'drop' }], {
    ...{ dropAfterMs: 1000, clock },
    onDropped: ({ error }) => told.push(error),
  })
  const pushed: string[] = []
  const push = async (item: string): Promise<void> => {
    await lossy.push(item)
    pushed.push(item)
  }
  const pushing = Promise.all([push('a'), push('b')])
  await clock.advance(500)
  const third = push('c')
  const stop = new AbortController()
  const stopped = lossy.push('d', { signal: stop.signal })
  stop.abort(new Error('enough'))
  await expect(stopped).rejects.toThrow('enough')
  await clock.advance(500)
  expect(told).toEqual([undefined])
  expect(pushed).toEqual(['a', 'b', 'c'])
  await Promise.all([pushing, third])
  expect(clock.sleepers).toBe(0)
  release()
  await writer.close()
})

test('an item that no branch can take is an error, and no branch is dropped for it', async () => {
  const codec = json<number | bigint>()
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  const writer = await RingWriter.open(device, { createIfMissing: true, codec })
  const told: unknown[] = []
  const lossy = tee([{ writer, onSlow: 'drop' }], { onDropped: (branch) => told.push(branch) })
  await expect(lossy.push(1n)).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
  await expect(lossy.pushMany([1, 1n])).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
  await expect(lossy.pushMany(7 as never)).rejects.toThrow(TypeError)
  await lossy.push(1)
  expect(told).toEqual([])
  expect(await left({ device })).toEqual(['1'])
})

test('an item that is too large for one branch is thrown, and the others have it', async () => {
  const [small, large] = [await out(), await out({}, 1024)]
  const told: unknown[] = []
  const lossy = tee([large.writer, { writer: small.writer, onSlow: 'drop' }], {
    onDropped: (dropped) => told.push(dropped),
  })
  const big = 'x'.repeat(100_000)
  await expect(lossy.push(big)).rejects.toMatchObject({
    code: 'PUSH_PARTIAL',
    details: { durable: [large.device.name], failed: [small.device.name] },
    cause: { code: 'RING_ITEM_TOO_LARGE' },
  })
  await lossy.push('next')
  expect(told).toEqual([])
  expect(await left(large)).toEqual([big, 'next'])
  expect(await left(small)).toEqual(['next'])
})

test('where one branch fails, what waits in the others is withdrawn, and the error of the branch is thrown', async () => {
  const [full, closed] = [await out(), await out()]
  await fill(full)
  const before = await left(full)
  const both = tee([full.writer, closed.writer])
  const waiting = both.pushMany(['a', 'b'])
  await closed.writer.close()
  for (const pushed of [waiting, both.push('c')]) {
    await expect(pushed).rejects.toMatchObject({
      code: 'RING_CLOSED',
      details: { device: closed.device.name },
    })
  }
  await using reader = await RingReader.open(full.device)
  await reader.ackAll(await reader.receiveMany())
  await full.writer.push('later')
  expect(await left(full)).toEqual(['later'])
  expect(before.length).toBeGreaterThan(10)
})

test('closing withdraws what waits, and leaves the writers open', async () => {
  const [one, full] = [await out(), await out()]
  await fill(full)
  const taken = (await left(full)).length
  const both = tee([one.writer, full.writer])
  const waiting = [both.push('a'), both.pushMany(['b', 'c'])]
  const settled = Promise.allSettled(waiting)
  while ((await left(one)).length < 3);
  const closing = both.close()
  const ends = await settled
  for (const end of ends) {
    expect(end).toMatchObject({
      reason: { code: 'PUSH_PARTIAL', cause: { code: 'RING_CLOSED' } },
    })
  }
  expect(await closing).toEqual({ rejected: 2 })
  expect(await both.close()).toEqual({ rejected: 2 })
  await expect(both.push('d')).rejects.toMatchObject({ code: 'RING_CLOSED' })
  expect(() => both.add(full.writer)).toThrow('The tee was closed')
  await one.writer.push('e')
  expect(await left(one)).toEqual(['a', 'b', 'c', 'e'])
  expect((await left(full)).length).toBe(taken)
})

test('`await using` closes it, after the commit that is under way', async () => {
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 144 }))
  await Producer.create(device, { blockSize: 512 })
  const writer = await RingWriter.open(device, { codec: text })
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  device.before = ({ operation }) => (operation === 'write' ? released : undefined)
  let pushed: Promise<unknown> | undefined
  let isClosed = false
  const closing = (async () => {
    await using only = tee([writer])
    pushed = only.push('a')
    await new Promise(setImmediate)
  })().then(() => {
    isClosed = true
  })
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  expect(isClosed).toBe(false)
  release()
  await closing
  expect((await pushed) as Map<unknown, unknown>).toHaveProperty('size', 1)
})

test('a push fails once every branch was dropped', async () => {
  const only = await out()
  let told = 0
  const lossy = tee([{ writer: only.writer, onSlow: 'drop' }], { onDropped: () => void told++ })
  await only.writer.close()
  await expect(lossy.push('a')).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await expect(lossy.push('b')).rejects.toThrow('no branch left')
  expect(told).toBe(1)
})

test('its arguments are checked', async () => {
  const { writer } = await out()
  expect(() => tee([])).toThrow('at least one')
  expect(() => tee([writer, writer])).toThrow('already')
  expect(() => tee([{ writer, onSlow: 'drop' }])).toThrow('onDropped')
  expect(() => tee([{ writer, onSlow: 'fly' } as object as { writer: typeof writer }])).toThrow(
    'onSlow',
  )
  expect(() => tee([{} as RingWriter<string>])).toThrow('RingWriter')
  expect(() => tee([writer], { dropAfterMs: -1 })).toThrow(RangeError)
  expect(() => tee([writer], { drop: 1 } as object)).toThrow('no option drop')
})
