import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, test } from 'vitest'
import { text } from '../../src/codec/index.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { RingEntry } from '../../src/ring/queue/entry.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { toReadable, toWritable } from '../../src/streams/node.ts'
import { pipeTo, toReadableStream, toWritableStream } from '../../src/streams/web.ts'
import { deferred } from '../../src/util/deferred.ts'
import { collect } from '../helpers/collect.ts'
import { settle } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { smallRing } from '../helpers/ring.ts'

const lines = Array.from({ length: 3000 }, (_, n) => `line ${n}`)

describe('web streams', () => {
  test('make items durable by the time they are closed, in few commits', async () => {
    // In format 2 each commit takes a block.
    const device = new HookedDevice(await smallRing(lines.length * 512))
    await using writer = await RingWriter.open(device, { codec: text })
    device.take()
    const source = new ReadableStream<string>({
      start: (controller) => {
        for (const line of lines) controller.enqueue(line)
        controller.close()
      },
    })
    await source.pipeTo(toWritableStream(writer))
    const writes = device.take().filter(({ operation }) => operation === 'write')
    expect(writes.length).toBeLessThan(lines.length)
    await using reader = await RingReader.open(device, { codec: text })
    const taken: string[] = []
    const entries = toReadableStream(reader).getReader()
    for (let n = 0; n < lines.length; n++) {
      const { value } = await entries.read()
      taken.push(value?.item ?? '')
      if (n === 9 && value !== undefined) await reader.ackThrough(value)
    }
    await entries.cancel()
    expect(taken).toEqual(lines)
    const left = await collect((await inspectRing(device)).items())
    expect(left).toHaveLength(lines.length - 10)
  })

  test('error when a push fails', async () => {
    const device = await smallRing(512)
    await using writer = await RingWriter.open(device, { codec: text })
    const sink = toWritableStream(writer).getWriter()
    sink.closed.catch(() => undefined)
    sink.write('x'.repeat(5000)).catch(() => undefined)
    await expect(sink.close()).rejects.toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
  })

  test('drop unpushed items when they are aborted', async () => {
    const device = await smallRing(512)
    await using writer = await RingWriter.open(device, { codec: text })
    const sink = toWritableStream(writer).getWriter()
    sink.closed.catch(() => undefined)
    const most = writer.producer.maxItemBytes
    await sink.write('x'.repeat(most))
    await sink.write('y'.repeat(most))
    await sink.abort(new Error('enough'))
    await using reader = await RingReader.open(device, { codec: text })
    await (await reader.receive()).ack()
    expect(await reader.tryReceive()).toBeUndefined()
  })

  test('acknowledge what the sink of pipeTo took, and nothing else', async () => {
    const device = await smallRing(61 * 512)
    await using writer = await RingWriter.open(device, { codec: text })
    await using reader = await RingReader.open(device, { codec: text })
    await writer.pushMany(['one', 'two', 'bad', 'four'])
    const taken: string[] = []
    const sink = new WritableStream<string>({
      write: (line) => {
        if (line === 'bad') throw new Error('cannot take it')
        taken.push(line)
      },
    })
    await expect(pipeTo(reader, sink)).rejects.toThrow('cannot take it')
    expect(taken).toEqual(['one', 'two'])
    expect(await collect((await inspectRing(device)).items())).toHaveLength(2)
    // What it did not take is still to be read.
    expect((await reader.receive()).item).toBe('bad')
  })

  test('end at once when they are aborted while they wait for room', async () => {
    for (const closing of [false, true]) {
      const device = await smallRing(512)
      await using writer = await RingWriter.open(device, { codec: text })
      const sink = toWritableStream(writer).getWriter()
      sink.closed.catch(() => undefined)
      for (let n = 0; n < 2000; n++) sink.write('x'.repeat(60)).catch(() => undefined)
      if (closing) sink.close().catch(() => undefined)
      await settle()
      // A write waits for the pushes before it.
      expect([writer.blocked, writer.queuedBytes > 50_000]).toEqual([true, true])
      await sink.abort(new Error('enough'))
    }
  })

  test('apply backpressure to large items', async () => {
    const device = await smallRing(61 * 512)
    await using writer = await RingWriter.open(device, { maxQueuedBytes: 40 << 20 })
    await using reader = await RingReader.open(device)
    const sink = toWritableStream(writer).getWriter()
    const written = (async () => {
      for (let n = 0; n < 200; n++) {
        await sink.ready
        await sink.write(new Uint8Array(20_000).fill(n))
      }
      await sink.close()
    })()
    for (let n = 0; n < 200; n++) {
      const entry = await reader.receive()
      expect(entry.item[0]).toBe(n)
      await entry.ack()
    }
    await written
  })

  test('leave the item to the next reader when they are cancelled during a read', async () => {
    const device = new HookedDevice(await smallRing())
    await using writer = await RingWriter.open(device, { codec: text })
    await writer.pushMany(['a', 'b'])
    await using reader = await RingReader.open(device, { codec: text })
    const begun = deferred<void>()
    const finish = deferred<void>()
    device.before = () => {
      begun.resolve()
      return finish.promise
    }
    const entries = toReadableStream(reader).getReader()
    entries.read().catch(() => undefined)
    await begun.promise
    await entries.cancel()
    finish.resolve()
    await settle()
    expect((await reader.receive()).item).toBe('a')
  })
})

describe('Node streams', () => {
  test('carry items from end to end', async () => {
    // In format 2 each commit takes a block.
    const device = new HookedDevice(await smallRing(lines.length * 512))
    await using writer = await RingWriter.open(device, { codec: text })
    device.take()
    await pipeline(Readable.from(lines), toWritable(writer))
    expect(device.take().length).toBeLessThan(lines.length)
    await using reader = await RingReader.open(device, { codec: text })
    const taken: string[] = []
    for await (const chunk of toReadable(reader)) {
      const entry = chunk as RingEntry<string>
      taken.push(entry.item)
      if (taken.length === lines.length) {
        await reader.ackThrough(entry)
        break
      }
    }
    expect(taken).toEqual(lines)
    expect((await inspectRing(device)).usedBytes).toBe(0)
  })

  test('are destroyed by a failure', async () => {
    const device = await smallRing(512)
    await using writer = await RingWriter.open(device, { codec: text })
    const failing = pipeline(Readable.from(['x'.repeat(5000)]), toWritable(writer))
    await expect(failing).rejects.toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
    const reader = await RingReader.open(device, { codec: text })
    const stream = toReadable(reader)
    const failed = new Promise((resolve) => stream.on('error', resolve))
    stream.resume()
    await reader.close()
    expect(await failed).toMatchObject({ code: 'RING_CLOSED' })
  })

  test('leave the ring open when they are destroyed', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device, { codec: text })
    await using reader = await RingReader.open(device, { codec: text })
    const stream = toReadable(reader)
    stream.resume()
    stream.destroy()
    await writer.push('after')
    expect((await reader.receive()).item).toBe('after')
  })
})
