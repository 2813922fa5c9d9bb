import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { json, text } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { type DroppedBranch, Tee } from '../../src/fan/index.ts'
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
  const both = new Tee([one.writer, { writer: other.writer }])
  await Promise.all([both.push('a'), both.pushMany(['b', 'c']), both.push('d')])
  expect(await left(one)).toEqual(['a', 'b', 'c', 'd'])
  expect(await left(other)).toEqual(['a', 'b', 'c', 'd'])
})

test('a push waits for the slow branch, and a signal ends that', async () => {
  const [one, slow] = [await out(), await out()]
  await fill(slow)
  const both = new Tee([one.writer, slow.writer])
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
  const both = new Tee([one.writer, { writer: telemetry.writer, onSlow: 'overwrite' }])
  for (let number = 0; number < 80; number++) await both.push(`${number} ${'x'.repeat(300)}`)
  expect((await left(one)).length).toBe(80)
  const kept = await left(telemetry)
  expect(kept.length).toBeLessThan(80)
  expect(kept.at(-1)).toMatch(/^79 /)
  expect(() => new Tee([{ writer: one.writer, onSlow: 'overwrite' }])).toThrow('keeps its oldest')
})

test('a branch that is too slow is dropped and reported, and its push withdrawn', async () => {
  const clock = new FakeClock()
  const [one, slow] = [await out(), await out()]
  const told: DroppedBranch<string>[] = []
  const both = new Tee([one.writer, { writer: slow.writer, onSlow: 'drop' }], {
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

test('a branch that fails is dropped if it may be; otherwise the push fails', async () => {
  const sound = await out()
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 144 }))
  await Producer.create(device, { blockSize: 512 })
  const writer = await RingWriter.open(device, { codec: text, idleRefreshIntervalMs: Infinity })
  device.before = ({ operation }) => {
    if (operation === 'write') throw new BlockError('BLOCK_IO', 'no', { device: 'hooked' })
  }
  const told: unknown[] = []
  const lossy = new Tee([sound.writer, { writer, onSlow: 'drop' }], {
    onDropped: ({ error }) => told.push(error),
  })
  await lossy.push('a')
  expect(told).toMatchObject([{ code: 'BLOCK_IO' }])
  await expect(new Tee([sound.writer, writer]).push('b')).rejects.toMatchObject({
    code: 'RING_POISONED',
  })
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
  const lossy = new Tee([sound.writer, { writer, onSlow: 'drop' }], {
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
  const lossy = new Tee([{ writer, onSlow: 'drop' }], { onDropped: (branch) => told.push(branch) })
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
  const lossy = new Tee([large.writer, { writer: small.writer, onSlow: 'drop' }], {
    onDropped: (dropped) => told.push(dropped),
  })
  const big = 'x'.repeat(100_000)
  await expect(lossy.push(big)).rejects.toMatchObject({
    code: 'RING_ITEM_TOO_LARGE',
    details: { device: small.device.name },
  })
  await lossy.push('next')
  expect(told).toEqual([])
  expect(await left(large)).toEqual([big, 'next'])
  expect(await left(small)).toEqual(['next'])
})

test('a push fails once every branch was dropped', async () => {
  const only = await out()
  await only.writer.close()
  let told = 0
  const lossy = new Tee([{ writer: only.writer, onSlow: 'drop' }], { onDropped: () => void told++ })
  await expect(lossy.push('a')).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await expect(lossy.push('b')).rejects.toThrow('no branch left')
  expect(told).toBe(1)
})

test('its arguments are checked', async () => {
  const { writer } = await out()
  expect(() => new Tee([])).toThrow('at least one')
  expect(() => new Tee([writer, writer])).toThrow('already')
  expect(() => new Tee([{ writer, onSlow: 'drop' }])).toThrow('onDropped')
  expect(
    () => new Tee([{ writer, whenSlow: 'fly' } as object as { writer: typeof writer }]),
  ).toThrow('whenSlow')
  expect(() => new Tee([{} as RingWriter<string>])).toThrow('RingWriter')
  expect(() => new Tee([writer], { dropAfterMs: -1 })).toThrow(RangeError)
  expect(() => new Tee([writer], { drop: 1 } as object)).toThrow('no option drop')
})
