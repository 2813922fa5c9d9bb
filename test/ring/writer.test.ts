import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { json, text } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { Consumer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { deferred } from '../../src/util/deferred.ts'
import { collect } from '../helpers/collect.ts'
import { FakeClock, settle } from '../helpers/fake-clock.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice, type Request } from '../helpers/hooked.ts'
import { SMALL, sectorsFor, smallRing } from '../helpers/ring.ts'

/** A device with room for two items, and no third. */
const tiny = (): Promise<MemoryBlockDevice> => smallRing(512)
const HALF = { 1: 200, 2: 1900 }[FORMAT]
const item = (fill: number, length = HALF): Uint8Array => new Uint8Array(length).fill(fill)
/** Of a writer that answers no suspend request while nothing is pushed. */
const NEVER = { idleRefreshIntervalMs: Number.POSITIVE_INFINITY }

/** Has the first of some requests fail. */
function failOnce(device: HookedDevice, which: (request: Request) => boolean): void {
  let left = 1
  device.before = (request) => {
    if (!which(request) || left-- <= 0) return
    throw new BlockError('BLOCK_IO', 'injected', { device: 'memory' })
  }
}

describe('a writer', () => {
  test('pushes items that are durable and visible when push resolves', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: sectorsFor(6656) })
    await using writer = await RingWriter.open(device, { codec: text, createIfMissing: SMALL })
    const visible = async (): Promise<bigint> => (await inspectRing(device)).producer.position
    expect(await writer.push('hello')).toBe(await visible())
    const position = await writer.pushMany(['a', 'b'])
    expect(await writer.pushMany([])).toBe(position)
    expect(position).toBe(await visible())
    expect(await collect((await inspectRing(device)).items())).toHaveLength(3)
  })

  test('lets pushes that wait at the same time share a commit, in order', async () => {
    const device = new HookedDevice(await smallRing(253 * 512))
    await using writer = await RingWriter.open(device, { codec: text, refreshIntervalMs: 1e9 })
    device.take()
    const positions = await Promise.all(
      Array.from({ length: 500 }, (_, n) => writer.push(`item ${n}`)),
    )
    const writes = device.take().filter(({ operation }) => operation === 'write')
    expect(writes.length).toBeLessThanOrEqual(4)
    expect(positions).toEqual([...positions].sort((a, b) => Number(a - b)))
    await using reader = await RingReader.open(device, { codec: text })
    for (let n = 0; n < 500; n++) expect((await reader.receive()).item).toBe(`item ${n}`)
  })

  test('keeps the order when a codec takes its time', async () => {
    const turns = [deferred<Uint8Array>(), undefined, deferred<Uint8Array>()]
    const [first, , last] = turns
    const slow: Codec<string> = {
      ...text,
      encode: (value) => turns.shift()?.promise ?? Buffer.from(value),
    }
    const device = await smallRing()
    await using writer = await RingWriter.open(device, { codec: slow })
    const pushes = ['one', 'two', 'three'].map((value) => writer.push(value))
    last?.resolve(Buffer.from('three'))
    await settle()
    first?.resolve(Buffer.from('one'))
    await Promise.all(pushes)
    await using reader = await RingReader.open(device, { codec: text })
    const items = await reader.receiveMany()
    expect(items.map((entry) => entry.item)).toEqual(['one', 'two', 'three'])
  })

  test('lets nothing overtake a push whose codec takes its time', async () => {
    const device = await smallRing()
    const slow = new Map<string, (encoded: Uint8Array) => void>()
    const codec: Codec<string> = {
      name: 'slow',
      encode: (value) =>
        value.startsWith('slow')
          ? new Promise((resolve) => slow.set(value, resolve))
          : Buffer.from(value),
      decode: (bytes) => Buffer.from(bytes).toString(),
    }
    const finish = (value: string): void => slow.get(value)?.(Buffer.from(value))
    await using writer = await RingWriter.open(device, { codec })
    const visible = async (): Promise<string[]> =>
      (await collect((await inspectRing(device)).items())).map(({ item }) =>
        Buffer.from(item).toString(),
      )
    const pushes = [
      writer.push('slow 1'),
      writer.pushMany(['a', 'b']),
      writer.pushMany(['c', 'slow 2', 'd']),
      writer.push('e'),
      writer.pushMany(['f']),
    ]
    expect(await writer.tryPush('x')).toEqual({ status: 'full' })
    // Those that have been encoded wait for the others, though all else is ready.
    finish('slow 2')
    await settle()
    expect(await writer.tryPush('x')).toEqual({ status: 'full' })
    expect(await visible()).toEqual([])
    finish('slow 1')
    await Promise.all(pushes)
    const trying = writer.tryPush('slow 3')
    await writer.push('g')
    finish('slow 3')
    expect(await trying).toMatchObject({ status: 'ok' })
    const order = ['slow 1', 'a', 'b', 'c', 'slow 2', 'd', 'e', 'f', 'g', 'slow 3']
    expect(await visible()).toEqual(order)
  })

  test('waits for room, and continues when the consumer gives it', async () => {
    const device = await tiny()
    let looks = 0
    const clock = new FakeClock()
    await using writer = await RingWriter.open(device, { clock, onBlocked: () => looks++ })
    await using reader = await RingReader.open(device)
    for (const n of [1, 2]) await writer.push(item(n))
    expect(await writer.tryPush(item(3))).toEqual({ status: 'full' })
    let settled = 0
    const [third, fourth] = [3, 4].map((n) => writer.push(item(n)).finally(() => settled++))
    await clock.advance(30)
    expect(looks).toBeGreaterThan(2)
    expect(settled).toBe(0)
    await (await reader.receive()).ack()
    expect(await third).toBe((await inspectRing(device)).producer.position)
    await (await reader.receive()).ack()
    expect(await fourth).toBe((await inspectRing(device)).producer.position)
    for (const n of [3, 4]) expect((await reader.receive()).item[0]).toBe(n)
  })

  test('waiting pushes reject with what `onBlocked` throws, and the writer continues', async () => {
    const device = await tiny()
    const onBlocked = (): void => {
      throw new Error('not now')
    }
    await using writer = await RingWriter.open(device, { onBlocked })
    for (const n of [1, 2]) await writer.push(item(n))
    const waiting = [writer.push(item(3)), writer.push(item(4))]
    for (const push of waiting) await expect(push).rejects.toThrow('not now')
    expect(writer.blocked).toBe(false)
    await using reader = await RingReader.open(device)
    await (await reader.receive()).ack()
    await writer.push(item(5))
    for (const n of [2, 5]) expect((await reader.receive()).item[0]).toBe(n)
  })

  test('pushes more than the free space holds in several batches', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device)
    await using reader = await RingReader.open(device)
    const all = writer.pushMany([1, 2, 3, 4, 5].map((n) => item(n)))
    for (let n = 1; n <= 5; n++) {
      const entry = await reader.receive()
      expect(entry.item[0]).toBe(n)
      await entry.ack()
    }
    expect(await all).toBe(reader.consumer.position)
  })

  test('an aborted push is not in the ring, and those behind it continue', async () => {
    const device = await tiny()
    const blocked = deferred<void>()
    await using writer = await RingWriter.open(device, { onBlocked: blocked.resolve })
    await using reader = await RingReader.open(device)
    for (const n of [1, 2]) await writer.push(item(n)) // Each frees its own space.
    const stop = new AbortController()
    const aborted = writer.push(item(3), { signal: stop.signal })
    const next = writer.push(item(4))
    await blocked.promise
    stop.abort(new Error('changed my mind'))
    await expect(aborted).rejects.toThrow('changed my mind')
    await expect(writer.push(item(9), { signal: AbortSignal.abort() })).rejects.toThrow()
    await (await reader.receive()).ack()
    await next
    expect((await reader.receive()).item[0]).toBe(2)
    expect((await reader.receive()).item[0]).toBe(4)
  })

  test('aborts the part of a push that did not fit once the rest is written', async () => {
    const device = new HookedDevice(await tiny())
    await using writer = await RingWriter.open(device)
    const stop = new AbortController()
    device.before = ({ operation }) => {
      if (operation === 'write') stop.abort(new Error('changed my mind'))
    }
    const pushing = writer.pushMany([item(1), item(2), item(3)], { signal: stop.signal })
    await expect(pushing).rejects.toThrow('changed my mind')
    expect(await collect((await inspectRing(device)).items())).toHaveLength(2)
  })

  test('aborted pushes do not count towards its bounds', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device, { maxQueuedItems: 2 })
    await writer.pushMany([item(1), item(2)])
    for (let n = 0; n < 5; n++) {
      const stop = new AbortController()
      const pushing = writer.push(item(3), { signal: stop.signal })
      await settle()
      stop.abort(new Error('changed my mind'))
      await expect(pushing).rejects.toThrow('changed my mind')
    }
    const waiting = [writer.push(item(3)), writer.push(item(4))]
    await using reader = await RingReader.open(device)
    for (let n = 0; n < 2; n++) await (await reader.receive()).ack()
    await Promise.all(waiting)
  })

  test('a small item does not overtake one that waits for room', async () => {
    const device = await tiny()
    const blocked = deferred<void>()
    await using writer = await RingWriter.open(device, { onBlocked: blocked.resolve })
    await writer.push(item(1))
    const waiting = writer.push(item(2, writer.producer.maxItemBytes))
    await blocked.promise
    expect(await writer.tryPush(item(3, 4))).toEqual({ status: 'full' })
    await using reader = await RingReader.open(device)
    await (await reader.receive()).ack()
    await waiting
  })

  test('does not abort a push that is being written', async () => {
    const device = new HookedDevice(await smallRing())
    await using writer = await RingWriter.open(device)
    const stop = new AbortController()
    device.before = ({ operation }) => {
      if (operation === 'write') stop.abort()
    }
    await writer.push(item(1), { signal: stop.signal })
    expect(stop.signal.aborted).toBe(true)
    expect(await collect((await inspectRing(device)).items())).toHaveLength(1)
  })

  test('refuses more than its bounds, before anything is queued', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device, { maxQueuedItems: 3 })
    await writer.pushMany([item(1), item(2)])
    const waiting = [writer.push(item(3)), writer.push(item(4)), writer.push(item(5))]
    const outcomes = Promise.allSettled(waiting)
    await expect(writer.push(item(6))).rejects.toMatchObject({ code: 'RING_OVERLOADED' })
    await writer.close()
    expect((await outcomes).map(({ status }) => status)).toEqual(Array(3).fill('rejected'))
  })

  test('refuses an item that does not encode or can never fit, and continues', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device, { codec: json() })
    await expect(writer.push(1n)).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
    await expect(writer.push('x'.repeat(HALF * 3))).rejects.toMatchObject({
      code: 'RING_ITEM_TOO_LARGE',
    })
    await expect(writer.tryPush('x'.repeat(HALF * 3))).rejects.toMatchObject({
      code: 'RING_ITEM_TOO_LARGE',
    })
    await writer.push('x')
    expect(await collect((await inspectRing(device)).items())).toHaveLength(1)
  })

  test('settles waiting pushes promptly when it is closed, and releases the role', async () => {
    const device = await tiny()
    const writer = await RingWriter.open(device)
    await writer.pushMany([item(1), item(2)])
    const waiting = writer.push(item(3))
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'RING_CLOSED' })
    // The items of one call count once.
    const many = expect(writer.pushMany([item(5), item(6)])).rejects.toThrow('closed')
    expect(await writer.close()).toEqual({ rejected: 2 })
    expect(await writer.close()).toEqual({ rejected: 2 })
    await Promise.all([rejected, many])
    await expect(writer.push(item(4))).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await (await RingWriter.open(device)).close()
  })

  test('fails all pushes of a failed write, and every later one', async () => {
    const device = new HookedDevice(await smallRing())
    await using writer = await RingWriter.open(device)
    device.before = ({ operation }) => {
      if (operation !== 'write') return
      throw new BlockError('BLOCK_IO', 'injected', { device: 'memory' })
    }
    const outcomes = await Promise.allSettled([writer.push(item(1)), writer.push(item(2))])
    expect(outcomes).toMatchObject(Array(2).fill({ reason: { code: 'BLOCK_IO' } }))
    device.before = () => undefined
    await expect(writer.push(item(3))).rejects.toMatchObject({ code: 'RING_POISONED' })
  })

  test('opening waits while the ring is suspended', async () => {
    const device = await smallRing()
    const consumer = await Consumer.attach(device)
    await consumer.suspend()
    let looks = 0
    const clock = new FakeClock()
    const options = { clock, onBlocked: () => looks++ }
    const stop = new AbortController()
    const stopped = RingWriter.open(device, { ...options, signal: stop.signal })
    await clock.advance(30)
    expect(looks).toBeGreaterThan(2)
    stop.abort(new Error('changed my mind'))
    await expect(stopped).rejects.toThrow('changed my mind')
    looks = 0
    const opening = RingWriter.open(device, options)
    await clock.advance(30)
    expect(looks).toBeGreaterThan(2)
    await consumer.resume()
    await using writer = await opening
    expect(await writer.tryPush(item(1))).toMatchObject({ status: 'ok' })
  })

  test('opening on a suspended ring calls `onBlocked`, and fails with what that throws', async () => {
    const device = await smallRing()
    const consumer = await Consumer.attach(device)
    await consumer.suspend()
    const giveUp = (): void => {
      throw new Error('not now')
    }
    await expect(RingWriter.open(device, { onBlocked: giveUp })).rejects.toThrow('not now')
    let resuming: Promise<unknown> | undefined
    const onBlocked = (): void => {
      resuming ??= consumer.resume()
    }
    await using writer = await RingWriter.open(device, { onBlocked })
    await resuming
    expect(await writer.tryPush(item(1))).toMatchObject({ status: 'ok' })
  })

  // A push of format 2 reads nothing that it writes.
  test.runIf(FORMAT === 1)(
    'a push that failed in a read is not committed by the next one',
    async () => {
      const device = new HookedDevice(await smallRing(1024))
      await using writer = await RingWriter.open(device, NEVER)
      await using reader = await RingReader.open(device)
      await writer.push(item(1, 96))
      await (await reader.receive()).ack()
      await writer.push(item(2, 896))
      failOnce(device, ({ operation, sector }) => operation === 'read' && sector >= 3)
      await expect(writer.push(item(3, 40))).rejects.toMatchObject({ code: 'BLOCK_IO' })
      await writer.push(item(4, 8))
      const fills = [(await reader.receive()).item, (await reader.receive()).item].map(
        (one) => one[0],
      )
      expect(fills).toEqual([2, 4])
      expect(await reader.tryReceive()).toBeUndefined()
    },
  )

  // In format 2 nothing is between them: it is one write.
  test.runIf(FORMAT === 1)(
    'a push that failed between push and advance is not committed by the next one, so it can be pushed again',
    async () => {
      const device = new HookedDevice(await smallRing(), { claims: false })
      await using writer = await RingWriter.open(device, { ...NEVER, refreshIntervalMs: 1e9 })
      await using reader = await RingReader.open(device)
      failOnce(device, ({ operation, sector }) => operation === 'read' && sector === 1)
      await expect(writer.push(item(1))).rejects.toMatchObject({ code: 'BLOCK_IO' })
      await writer.push(item(1))
      await reader.receive()
      expect(await reader.tryReceive()).toBeUndefined()
    },
  )

  test('pushes an item as it was, even if it loses its memory while it waits', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device, NEVER)
    const lost = item(7, 100)
    const pushing = writer.pushMany([item(1, 100), lost])
    structuredClone(lost.buffer, { transfer: [lost.buffer as ArrayBuffer] })
    await pushing
    await using reader = await RingReader.open(device)
    for (const fill of [1, 7]) expect((await reader.receive()).item).toEqual(item(fill, 100))
    await expect(writer.push(lost)).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
    for (const push of [writer.producer.push, writer.producer.append]) {
      const items = push === writer.producer.push ? lost : [lost]
      await expect(push.call(writer.producer, items as never)).rejects.toThrow(TypeError)
    }
    expect(await reader.tryReceive()).toBeUndefined()
  })

  test('obeys signals and closes while a codec never ends', async () => {
    const stuck: Codec<string> = {
      ...text,
      encode: (value) => (value === 'stuck' ? new Promise(() => undefined) : Buffer.from(value)),
    }
    const writer = await RingWriter.open(await smallRing(), { codec: stuck })
    const stop = new AbortController()
    const aborted = writer.push('stuck', { signal: stop.signal })
    const behind = writer.push('fine')
    await settle()
    stop.abort(new Error('changed my mind'))
    await expect(aborted).rejects.toThrow('changed my mind')
    expect(await behind).toBe(writer.producer.position)
    const outcomes = Promise.allSettled([writer.push('stuck'), writer.push('fine')])
    expect(await writer.close()).toEqual({ rejected: 2 })
    expect(await outcomes).toMatchObject(Array(2).fill({ reason: { code: 'RING_CLOSED' } }))
  })

  test('ends tryPush, too, when it closes while a codec never ends', async () => {
    const stuck: Codec<string> = { ...text, encode: () => new Promise(() => undefined) }
    const writer = await RingWriter.open(await smallRing(), { codec: stuck })
    let outcome: unknown
    writer.tryPush('stuck').catch((error: unknown) => {
      outcome = error
    })
    await writer.close()
    await settle()
    expect(outcome).toMatchObject({ code: 'RING_CLOSED' })
  })

  test('leaves no rejection behind if a codec fails in two ways at once', async () => {
    const odd: Codec<number> = {
      name: 'odd',
      encode: (n) => {
        if (n === 2) throw new Error('at once')
        return Promise.reject(new Error('later'))
      },
      decode: () => 0,
    }
    await using writer = await RingWriter.open(await smallRing(), { codec: odd })
    const unhandled: unknown[] = []
    const hear = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', hear)
    try {
      await expect(writer.pushMany([1, 2])).rejects.toThrow('at once')
      await settle()
    } finally {
      process.off('unhandledRejection', hear)
    }
    expect(unhandled).toEqual([])
  })

  test('opening with a signal that is aborted already creates nothing', async () => {
    const blank = new MemoryBlockDevice({ sizeSectors: 8 })
    const signal = AbortSignal.abort()
    await expect(RingWriter.open(blank, { createIfMissing: true, signal })).rejects.toThrow()
    await expect(inspectRing(blank)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
  })

  test('invalid options are refused', async () => {
    const device = await smallRing()
    const open = (options: object): Promise<unknown> => RingWriter.open(device, options)
    await expect(open({ idleRefreshIntervalMs: Number.NaN })).rejects.toThrow(RangeError)
    await expect(open({ maxPollMs: Number.NaN })).rejects.toThrow(RangeError)
    await expect(open({ queue: 'a\0b' })).rejects.toThrow(TypeError)
  })
})
