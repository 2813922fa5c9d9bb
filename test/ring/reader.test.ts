import { describe, expect, test } from 'vitest'
import type { Codec } from '../../src/codec/codec.ts'
import { json, text } from '../../src/codec/index.ts'
import { isCodecError } from '../../src/errors.ts'
import type { RingEntry } from '../../src/ring/queue/entry.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { formatPosition, parsePosition } from '../../src/ring/shared/position-text.ts'
import { deferred } from '../../src/util/deferred.ts'
import { collect } from '../helpers/collect.ts'
import { FakeClock, settle } from '../helpers/fake-clock.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, smallRing } from '../helpers/ring.ts'

const item = (fill: number, length = 200): Uint8Array => new Uint8Array(length).fill(fill)

/** Has a reader wait until it has looked for items in vain, more than once. */
async function lookInVain(device: HookedDevice, clock: FakeClock): Promise<void> {
  device.take()
  await clock.advance(200)
  const looks = device.take().filter(({ operation }) => operation === 'read')
  expect(looks.length).toBeGreaterThan(2)
}

describe('a reader', () => {
  test('waits for items, and delivers unacknowledged ones again', async () => {
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

  test('ends a loop without an error when its signal aborts, or it is closed', async () => {
    const device = new HookedDevice(await smallRing())
    await append(await attachProducer(device), Buffer.from('a'))
    const clock = new FakeClock()
    const reader = await RingReader.open(device, { codec: text, clock })
    const take = async (entries: AsyncIterable<RingEntry<string>>): Promise<string[]> =>
      (await collect(entries)).map((entry) => entry.item)
    const stop = new AbortController()
    const stopped = take(reader.entries({ signal: stop.signal }))
    await lookInVain(device, clock)
    stop.abort()
    expect(await stopped).toEqual(['a'])
    const closed = take(reader)
    await lookInVain(device, clock)
    await reader.close()
    expect(await closed).toEqual([])
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

  test('a call takes as many large items at once as it has room for', async () => {
    const device = await smallRing(12 << 20)
    await using writer = await RingWriter.open(device)
    for (let n = 0; n < 8; n++) await writer.push(item(n, 1 << 20))
    await using reader = await RingReader.open(device)
    expect(await reader.receiveMany({ maxBytes: 3 << 20 })).toHaveLength(3)
    expect(await reader.receiveMany({ maxBytes: 4 << 20, views: true })).toHaveLength(4)
    expect(await reader.receiveMany({ maxBytes: 8 << 20 })).toHaveLength(1)
  })

  test('stops waiting when told, even after another call that waits, and loses nothing', async () => {
    const device = await smallRing()
    await using reader = await RingReader.open(device)
    const first = reader.receive({ signal: new AbortController().signal })
    const stop = new AbortController()
    const second = reader.receive({ signal: stop.signal })
    await settle()
    stop.abort(new Error('changed my mind'))
    await expect(second).rejects.toThrow('changed my mind')
    await append(await attachProducer(device), item(7))
    expect((await first).item[0]).toBe(7)
  })

  test('refuses to receive and to seek once it is closed', async () => {
    const device = await smallRing()
    await append(await attachProducer(device), item(1))
    const reader = await RingReader.open(device)
    const { position } = await reader.receive()
    await reader.close()
    const message = `The reader of ${device.name} was closed`
    const calls = [
      () => reader.receive(),
      () => reader.tryReceive(),
      () => reader.seek(position),
      () => reader.rewind(),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({ code: 'RING_CLOSED', message })
    }
    await reader.close()
  })

  test('stops waiting when it is closed', async () => {
    const device = new HookedDevice(await smallRing())
    const clock = new FakeClock()
    const reader = await RingReader.open(device, { clock })
    const waiting = reader.receive()
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await lookInVain(device, clock)
    await reader.close()
    await rejected
    await (await RingReader.open(device)).close()
  })

  test('throws for an item that does not decode, and continues after it', async () => {
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

  test('writes simultaneous acknowledgements once, and refuses those of undelivered items', async () => {
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

  test('survives an advance after a rewind', async () => {
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

  test('obeys signals and closes while a codec never ends', async () => {
    let decoding = deferred<void>()
    const stuck: Codec<string> = {
      ...text,
      decode: () => {
        decoding.resolve()
        return new Promise(() => undefined)
      },
    }
    const device = await smallRing()
    await append(await attachProducer(device), item(1))
    const reader = await RingReader.open(device, { codec: stuck })
    const stop = new AbortController()
    const aborted = reader.receive({ signal: stop.signal })
    await decoding.promise
    stop.abort(new Error('changed my mind'))
    await expect(aborted).rejects.toThrow('changed my mind')
    decoding = deferred<void>()
    const waiting = reader.receive()
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await decoding.promise
    await reader.close()
    await rejected
  })

  test('invalid bounds are refused', async () => {
    await using reader = await RingReader.open(await smallRing())
    await expect(reader.receiveMany({ maxItems: 0 })).rejects.toThrow(RangeError)
    await expect(reader.receiveMany({ maxBytes: Number.NaN })).rejects.toThrow(RangeError)
  })
})
