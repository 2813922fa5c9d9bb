import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { json, text } from '../../src/codec/index.ts'
import { BlockError, isCodecError } from '../../src/errors.ts'
import { Consumer, inspectRing } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { resumeRing, suspendRing } from '../../src/ring/queue/suspend.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { formatPosition, parsePosition } from '../../src/ring/shared/position-text.ts'
import { collect } from '../helpers/collect.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, SMALL, sectorsFor, smallRing } from '../helpers/ring.ts'

/** A device with room for two items, and no third. */
const tiny = (): Promise<MemoryBlockDevice> => smallRing(512)
const HALF = { 1: 200, 2: 1900 }[FORMAT]
const item = (fill: number, length = HALF): Uint8Array => new Uint8Array(length).fill(fill)
const never = new AbortController().signal

describe('a writer', () => {
  test('pushes what is durable and visible when it resolves', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: sectorsFor(6656) })
    await using writer = await RingWriter.open(device, { codec: text, createIfMissing: SMALL })
    const visible = async (): Promise<bigint> => (await inspectRing(device)).producer.offset
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
    const slow: Codec<string> = {
      name: 'slow',
      encode: (value) => {
        const encoded = new TextEncoder().encode(value)
        return value.length === 1 ? encoded : sleep(value.length, encoded)
      },
      decode: (bytes) => new TextDecoder().decode(bytes),
    }
    const device = await smallRing()
    await using writer = await RingWriter.open(device, { codec: slow })
    await Promise.all(['long one first', 'x', 'yy'].map((value) => writer.push(value)))
    await using reader = await RingReader.open(device, { codec: slow })
    const items = await reader.receiveMany()
    expect(items.map((entry) => entry.item)).toEqual(['long one first', 'x', 'yy'])
  })

  test('nothing overtakes a push whose codec takes its time', async () => {
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
    for (let turn = 0; turn < 5; turn++) await sleep(0)
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

  test('waits for room, and goes on when the consumer gives it', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device)
    await using reader = await RingReader.open(device)
    for (const n of [1, 2]) await writer.push(item(n))
    expect(await writer.tryPush(item(3))).toEqual({ status: 'full' })
    const third = writer.push(item(3))
    const fourth = writer.push(item(4))
    expect(await Promise.race([third, sleep(30, 'waiting')])).toBe('waiting')
    await (await reader.receive()).ack()
    expect(await third).toBe((await inspectRing(device)).producer.offset)
    await (await reader.receive()).ack()
    expect(await fourth).toBe((await inspectRing(device)).producer.offset)
    for (const n of [3, 4]) expect((await reader.receive()).item[0]).toBe(n)
  })

  test('what waits is rejected with what `onBlocked` throws, and the writer goes on', async () => {
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

  test('pushes what is larger than the free space bit by bit', async () => {
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

  test('an aborted push is not in the ring, and those behind it go on', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device)
    await using reader = await RingReader.open(device)
    for (const n of [1, 2]) await writer.push(item(n)) // Each gives its own space back.
    const stop = new AbortController()
    const aborted = writer.push(item(3), { signal: stop.signal })
    const next = writer.push(item(4))
    await sleep(5)
    stop.abort(new Error('changed my mind'))
    await expect(aborted).rejects.toThrow('changed my mind')
    await expect(writer.push(item(9), { signal: AbortSignal.abort() })).rejects.toThrow()
    await (await reader.receive()).ack()
    await next
    expect((await reader.receive()).item[0]).toBe(2)
    expect((await reader.receive()).item[0]).toBe(4)
  })

  test('what did not fit of a push is aborted once the rest is written', async () => {
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

  test('aborted pushes do not count any more', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device, { maxQueuedItems: 2 })
    await writer.pushMany([item(1), item(2)])
    for (let n = 0; n < 5; n++) {
      const signal = AbortSignal.timeout(2)
      await expect(writer.push(item(3), { signal })).rejects.toMatchObject({ name: 'TimeoutError' })
    }
    const waiting = [writer.push(item(3)), writer.push(item(4))]
    await using reader = await RingReader.open(device)
    for (let n = 0; n < 2; n++) await (await reader.receive()).ack()
    await Promise.all(waiting)
  })

  test('a small item does not overtake one that waits for room', async () => {
    const device = await tiny()
    await using writer = await RingWriter.open(device)
    await writer.push(item(1))
    const waiting = writer.push(item(2, writer.producer.maxItemBytes))
    await sleep(5)
    expect(await writer.tryPush(item(3, 4))).toEqual({ status: 'full' })
    await using reader = await RingReader.open(device)
    await (await reader.receive()).ack()
    await waiting
  })

  test('a push that is being written is not aborted any more', async () => {
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

  test('tells what does not encode or can never fit, and goes on', async () => {
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

  test('closing settles what waits, promptly, and gives the role back', async () => {
    const device = await tiny()
    const writer = await RingWriter.open(device)
    await writer.pushMany([item(1), item(2)])
    const waiting = writer.push(item(3))
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await writer.close()
    await writer.close()
    await rejected
    await expect(writer.push(item(4))).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await (await RingWriter.open(device)).close()
  })

  test('a failed write fails all that it concerned, and every later push', async () => {
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
    const stop = AbortSignal.timeout(30)
    await expect(RingWriter.open(device, { signal: stop })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    const opening = RingWriter.open(device)
    await sleep(10)
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
})

describe('a reader', () => {
  test('waits for what comes, and repeats what was not acknowledged', async () => {
    const device = await smallRing()
    const producer = await attachProducer(device)
    const reader = await RingReader.open(device, { codec: text })
    const waiting = reader.receive()
    expect(await reader.tryReceive()).toBeUndefined()
    await append(producer, Buffer.from('one'))
    await append(producer, Buffer.from('two'))
    const first = await waiting
    expect(first.item).toBe('one')
    expect((await reader.receive()).item).toBe('two')
    await reader.rewind()
    expect((await reader.receive()).item).toBe('one')
    await first.ack()
    await reader.close()
    await using again = await RingReader.open(device, { codec: text })
    expect((await again.receive()).item).toBe('two')
    expect(await again.tryReceive()).toBeUndefined()
  })

  test('iterates without acknowledging by itself', async () => {
    const device = await smallRing()
    const producer = await attachProducer(device)
    for (const name of ['a', 'b', 'c']) await append(producer, Buffer.from(name))
    await using reader = await RingReader.open(device, { codec: text })
    const seen: string[] = []
    for await (const entry of reader) {
      seen.push(entry.item)
      if (entry.item === 'b') await reader.ackThrough(entry)
      if (entry.item === 'c') break
    }
    expect(seen).toEqual(['a', 'b', 'c'])
    await reader.rewind()
    expect((await reader.receive()).item).toBe('c')
  })

  test('a loop ends quietly when it is told to stop, or the reader is closed', async () => {
    const device = await smallRing()
    await append(await attachProducer(device), Buffer.from('a'))
    const reader = await RingReader.open(device, { codec: text })
    const seen: string[] = []
    const stop = AbortSignal.timeout(20)
    for await (const entry of reader.entries({ signal: stop })) seen.push(entry.item)
    const closing = sleep(20).then(() => reader.close())
    for await (const entry of reader) seen.push(entry.item)
    await closing
    expect(seen).toEqual(['a'])
  })

  test('takes many at once, within bounds', async () => {
    const device = await smallRing(61 * 512)
    await using writer = await RingWriter.open(device)
    await writer.pushMany(Array.from({ length: 20 }, (_, n) => item(n, 100)))
    await using reader = await RingReader.open(device)
    expect(await reader.receiveMany({ maxItems: 3 })).toHaveLength(3)
    expect(await reader.receiveMany({ maxBytes: 250 })).toHaveLength(3)
    const rest = await reader.receiveMany()
    expect(rest.map((entry) => entry.item[0])).toEqual(Array.from({ length: 14 }, (_, n) => n + 6))
  })

  test('stops waiting when told, also behind another that waits, and loses nothing by it', async () => {
    const device = await smallRing()
    await using reader = await RingReader.open(device)
    const first = reader.receive({ signal: never })
    const signal = AbortSignal.timeout(10)
    await expect(reader.receive({ signal })).rejects.toMatchObject({ name: 'TimeoutError' })
    await append(await attachProducer(device), item(7))
    expect((await first).item[0]).toBe(7)
  })

  test('closing ends the waiting', async () => {
    const device = await smallRing()
    const reader = await RingReader.open(device)
    const waiting = reader.receive()
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await sleep(5)
    await reader.close()
    await rejected
    await (await RingReader.open(device)).close()
  })

  test('what does not decode is an error to step over', async () => {
    const device = await smallRing()
    const producer = await attachProducer(device)
    for (const stored of ['1', '{', '3']) await append(producer, Buffer.from(stored))
    await using reader = await RingReader.open(device, { codec: json() })
    expect((await reader.receiveMany()).map((entry) => entry.item)).toEqual([1])
    const failure = await reader.receive().catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'CODEC_DECODE',
      details: { position: expect.any(String) },
    })
    if (!isCodecError(failure) || failure.details.position === undefined) throw failure
    await reader.ackThrough(parsePosition(failure.details.position))
    expect(formatPosition(reader.consumer.position, FORMAT)).toBe(failure.details.position)
    await reader.rewind()
    expect((await reader.receive()).item).toBe(3)
  })

  test('acknowledgements that wait at the same time share a write; what was not delivered is refused', async () => {
    const device = new HookedDevice(await smallRing(61 * 512))
    await using writer = await RingWriter.open(device)
    await writer.pushMany(Array.from({ length: 50 }, (_, n) => item(n, 20)))
    await using reader = await RingReader.open(device)
    const entries = await reader.receiveMany()
    device.take()
    await Promise.all(entries.map((entry) => entry.ack()))
    expect(device.take().filter(({ operation }) => operation === 'write').length).toBe(1)
    expect(reader.consumer.position).toBe(entries.at(-1)?.position)
    const position = await writer.push(item(1))
    await expect(reader.ackThrough(position)).rejects.toThrow(RangeError)
    await (await reader.receive()).ack()
  })
})

describe('what a reviewer broke', () => {
  const eio = (): never => {
    throw new BlockError('BLOCK_IO', 'injected', { device: 'memory' })
  }
  const never = { idleRefreshIntervalMs: Number.POSITIVE_INFINITY }
  const failOnce = (
    device: HookedDevice,
    which: (r: { operation: string; sector: number }) => boolean,
  ) => {
    let left = 1
    device.before = (request) => {
      if (which(request) && left-- > 0) eio()
    }
  }

  // A push of format 2 reads nothing that it writes.
  test.runIf(FORMAT === 1)(
    'a push that failed for a read is not shown by the next one',
    async () => {
      const device = new HookedDevice(await smallRing(1024))
      await using writer = await RingWriter.open(device, never)
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
    'nor is one that failed between push and advance, so that it may be pushed again',
    async () => {
      const device = new HookedDevice(await smallRing(), { claims: false })
      await using writer = await RingWriter.open(device, { ...never, refreshIntervalMs: 1e9 })
      await using reader = await RingReader.open(device)
      failOnce(device, ({ operation, sector }) => operation === 'read' && sector === 1)
      await expect(writer.push(item(1))).rejects.toMatchObject({ code: 'BLOCK_IO' })
      await writer.push(item(1))
      await reader.receive()
      expect(await reader.tryReceive()).toBeUndefined()
    },
  )

  test('an item that loses its memory while it waits is pushed as it was', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device, never)
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

  test('advancing after going back does not end the reader', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device)
    await writer.pushMany([1, 2, 3].map((n) => item(n)))
    await using reader = await RingReader.open(device)
    await reader.receive()
    const second = await reader.receive()
    await reader.rewind()
    await reader.ackThrough(second)
    expect((await reader.receive()).item[0]).toBe(3)
    await reader.rewind()
    await reader.consumer.advance((await reader.receive()).position)
    expect(await reader.tryReceive()).toBeUndefined()
  })

  test('one failed read does not end the acknowledging of an idle writer', async () => {
    const device = new HookedDevice(await smallRing())
    await using writer = await RingWriter.open(device, { idleRefreshIntervalMs: 5 })
    await using reader = await RingReader.open(device)
    failOnce(device, ({ operation }) => operation === 'read')
    await sleep(30)
    await reader.suspend()
    expect(await writer.tryPush(item(1))).toEqual({ status: 'suspended' })
  })

  test('a codec that never ends holds up neither signals nor closing', async () => {
    const stuck: Codec<string> = {
      name: 'stuck',
      encode: (value) =>
        value === 'stuck' ? new Promise(() => undefined) : new TextEncoder().encode(value),
      decode: () => new Promise(() => undefined),
    }
    const device = await smallRing()
    const writer = await RingWriter.open(device, { codec: stuck })
    const reader = await RingReader.open(device, { codec: stuck })
    const signal = AbortSignal.timeout(10)
    const behind = writer.push('stuck', { signal }).catch(() => writer.push('fine'))
    expect(await behind).toBe(writer.producer.position)
    await expect(reader.receive({ signal: AbortSignal.timeout(10) })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    const waiting = [writer.push('stuck'), writer.push('fine'), reader.receive()]
    const outcomes = Promise.allSettled(waiting)
    await Promise.all([writer.close(), reader.close()])
    expect(await outcomes).toMatchObject(Array(3).fill({ reason: { code: 'RING_CLOSED' } }))
  })

  test('a codec that fails in two ways at once leaves no rejection behind', async () => {
    const odd: Codec<number> = {
      name: 'odd',
      encode: (n) => {
        if (n === 2) throw new Error('at once')
        return Promise.reject(new Error('later'))
      },
      decode: () => 0,
    }
    await using writer = await RingWriter.open(await smallRing(), { codec: odd })
    await expect(writer.pushMany([1, 2])).rejects.toThrow('at once')
    await sleep(5)
  })

  test('a signal that is aborted already changes nothing on the device', async () => {
    const device = await smallRing()
    const signal = AbortSignal.abort()
    await using reader = await RingReader.open(device)
    await expect(reader.suspend({ signal })).rejects.toThrow()
    await reader.close()
    await expect(suspendRing(device, { signal })).rejects.toThrow()
    expect((await inspectRing(device)).consumer.suspend).toBe(false)
    const blank = new MemoryBlockDevice({ sizeSectors: 8 })
    await expect(RingWriter.open(blank, { createIfMissing: true, signal })).rejects.toThrow()
    await expect(inspectRing(blank)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
  })

  test('many that suspend and resume at once do not get in their own way', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device, { idleRefreshIntervalMs: 2 })
    const all = Array.from({ length: 4 }, async () => {
      for (let n = 0; n < 5; n++) await suspendRing(device)
    })
    await Promise.all(all)
    await Promise.all(Array.from({ length: 4 }, () => resumeRing(device)))
    expect(await writer.tryPush(item(1))).toMatchObject({ status: 'ok' })
  })

  test('options that cannot be are refused', async () => {
    const device = await smallRing()
    const open = (options: object): Promise<unknown> => RingWriter.open(device, options)
    await expect(open({ idleRefreshIntervalMs: Number.NaN })).rejects.toThrow(RangeError)
    await expect(open({ maxPollMs: Number.NaN })).rejects.toThrow(RangeError)
    await expect(open({ queue: 'a\0b' })).rejects.toThrow(TypeError)
    await using reader = await RingReader.open(device)
    await expect(reader.receiveMany({ maxItems: 0 })).rejects.toThrow(RangeError)
    await expect(reader.receiveMany({ maxBytes: Number.NaN })).rejects.toThrow(RangeError)
  })
})

describe('suspending', () => {
  test('by the reader waits for the acknowledgement, and so does resuming', async () => {
    const device = await smallRing()
    // A writer would acknowledge on its own, sooner or later; a producer does when it is called.
    await using producer = await attachProducer(device)
    await using reader = await RingReader.open(device)
    const done: string[] = []
    const requested = async (suspend: boolean): Promise<void> => {
      while ((await inspectRing(device)).consumer.suspend !== suspend) await sleep(1)
    }
    const suspending = reader.suspend().then(() => done.push('suspended'))
    await requested(true)
    expect(done).toEqual([])
    expect(await producer.state()).toBe('suspended')
    await suspending
    expect(await reader.state()).toBe('suspended')
    expect(await producer.push(item(1))).toEqual({ status: 'suspended' })
    const resuming = reader.resume().then(() => done.push('resumed'))
    await requested(false)
    expect(done).toEqual(['suspended'])
    expect(await producer.state()).toBe('running')
    await resuming
    await append(producer, item(1))
    expect((await reader.receive()).item[0]).toBe(1)
  })

  test('from outside asks the consumer at work, or does it itself', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device, { refreshIntervalMs: 0, maxPollMs: 5 })
    for (const holder of [await Consumer.attach(device), undefined]) {
      const suspending = suspendRing(device)
      await sleep(5)
      const pushing = writer.push(item(1))
      await suspending
      expect((await inspectRing(device)).consumer.suspend).toBe(true)
      await resumeRing(device)
      await pushing
      await holder?.close()
    }
  })

  test('is acknowledged by a writer that has nothing to push', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device)
    await suspendRing(device)
    expect(await writer.tryPush(item(1))).toEqual({ status: 'suspended' })
    await resumeRing(device)
    expect(await writer.tryPush(item(1))).toMatchObject({ status: 'ok' })
  })

  test('from outside gives up when told, and leaves the wish', async () => {
    const device = await smallRing()
    const signal = AbortSignal.timeout(20)
    await expect(suspendRing(device, { signal })).rejects.toMatchObject({ name: 'TimeoutError' })
    const ring = await inspectRing(device)
    expect([ring.consumer.suspend, ring.producer.suspendAck]).toEqual([true, false])
  })

  test('is refused when the holder of the role takes no requests', async () => {
    const device = await smallRing()
    await device.claim('consumer', { holder: 'somebody else' })
    await expect(suspendRing(device)).rejects.toMatchObject({
      code: 'BLOCK_CLAIMED',
      details: { holder: 'somebody else' },
    })
  })
})
