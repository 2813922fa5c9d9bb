import { describe, expect, test } from 'vitest'
import { text } from '../../../src/codec/index.ts'
import { isRingError } from '../../../src/errors.ts'
import type { Position } from '../../../src/position.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { process as processFrom } from '../../../src/ring/queue/process/process.ts'
import { internalsOf, RingReader, reserve } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import { deviceBytes } from '../../helpers/golden.ts'
import { drain, filled, gate, itemsOf, open, otherRing, published, SlowDevice } from './scene.ts'

describe('items of one key', () => {
  test('are handled one after the other, in their order, also where one fails', async () => {
    const names = Array.from({ length: 60 }, (_, n) => `${'abc'[n % 3]} ${n}`)
    const device = await filled(names)
    const running = new Set<string>()
    const done: Record<string, string[]> = { a: [], b: [], c: [] }
    let most = 0
    await drain(
      device,
      async (item, { attempt, position }) => {
        const [key = ''] = item
        expect(running.has(key)).toBe(false)
        running.add(key)
        most = Math.max(most, running.size)
        await new Promise((resolve) => setImmediate(resolve))
        running.delete(key)
        if (attempt < 3 && position % 5n === 0n) throw new Error('again')
        done[key]?.push(item)
      },
      { concurrency: 8, keyOf: ([key]) => key },
    )
    expect(most).toBe(3)
    for (const key of ['a', 'b', 'c']) {
      expect(done[key]).toEqual(names.filter((name) => name.startsWith(key)))
    }
  })

  test('become dead letters if keyOf throws, and no handler sees them', async () => {
    const device = await filled(['a', 'bad', 'c'])
    const seen: string[] = []
    const letters: unknown[] = []
    await drain(device, (item) => seen.push(item), {
      keyOf: (item) => {
        if (item === 'bad') throw new Error('no key')
        return item
      },
      attempts: 2,
      deadLetter: async ({ item, attempts }) => void letters.push([item, attempts]),
    })
    expect(seen).toEqual(['a', 'c'])
    expect(letters).toEqual([['bad', 2]])
  })
})

test.each<[string, () => unknown]>([
  ['a promise', async () => 'a'],
  ['an object', () => ({})],
])('keyOf may not return %s, which is another key each time', async (_, keyOf) => {
  const device = await filled(['a'])
  const running = drain(device, () => undefined, { keyOf: keyOf as () => string, attempts: 1 })
  await expect(running).rejects.toMatchObject({ code: 'WORK_GIVEN_UP' })
  expect(await itemsOf(device)).toEqual(['a'])
})

describe('an item that keeps failing while it holds all others', () => {
  test('is put at the end of the ring, durably, before it is acknowledged, and its attempts count on', async () => {
    const device = await filled(['bad', 'a', 'b', 'c', 'd'])
    const writer = await RingWriter.open(device, { codec: text })
    const attempts: [string, number][] = []
    const events = await published(async () => {
      await using reader = await open(device, { maxUnacked: 3 })
      await reader.process(
        (item, job) => {
          attempts.push([item, job.attempt])
          if (item === 'bad' && job.attempt < 3) throw new Error('later')
        },
        { untilEmpty: true, backoff: { firstMs: 20 }, requeueTo: writer, random: () => 1 },
      )
    })
    await writer.close()
    expect(events.filter(({ event }) => event === 'requeued').length).toBeGreaterThanOrEqual(1)
    expect(attempts.filter(([item]) => item === 'bad').map(([, attempt]) => attempt)).toEqual([
      1, 2, 3,
    ])
    expect(attempts.map(([item]) => item).filter((item) => item !== 'bad')).toEqual([
      'a',
      'b',
      'c',
      'd',
    ])
    expect(await itemsOf(device)).toEqual([])
  })

  test('is tried again in its place if the ring has no room', async () => {
    const device = await filled(['bad'.padEnd(900, '.'), ...Array(6).fill('x'.repeat(900))], 8192)
    const writer = await RingWriter.open(device, { codec: text })
    while ((await writer.tryPush('y')).status === 'ok');
    let failures = 3
    const summary = await drain(
      device,
      (item) => {
        if (item.startsWith('bad') && failures-- > 0) throw new Error('later')
      },
      { requeueTo: writer, backoff: { firstMs: 5, maxMs: 5 } },
      { maxUnacked: 1 },
    )
    await writer.close()
    expect(summary).toMatchObject({ requeued: 0, failedAttempts: 3 })
    expect(await itemsOf(device)).toEqual([])
  })

  test('has a copy that is recognised, even if it is read before its push resolves', async () => {
    const device = await filled(['bad'])
    const slow = new SlowDevice(device)
    const writer = await RingWriter.open(slow, { codec: text })
    const seen: unknown[] = []
    const stop = new AbortController()
    await using reader = await open(device, { maxUnacked: 1 })
    let bad: Position | undefined
    const running = reader.process(
      async (item, { attempt, mayHaveRun, position }) => {
        seen.push([item, attempt, mayHaveRun])
        bad = position
        slow.slow = true
        if (attempt === 1 && mayHaveRun) throw new Error('later')
        stop.abort()
      },
      {
        ...{ requeueTo: writer, concurrency: 2, signal: stop.signal },
        backoff: { firstMs: 60_000 },
      },
    )
    await slow.written
    // More may be delivered now.
    await reader.ackThrough(bad as Position)
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve))
    slow.release()
    await running
    await writer.close()
    expect(seen).toEqual([
      ['bad', 1, true],
      ['bad', 2, true],
    ])
  })

  test('is not put there twice because the attempt store fails', async () => {
    const device = await filled(['bad', 'a'])
    await using writer = await RingWriter.open(device, { codec: text })
    const counts = new Map<string, number>()
    let sets = 0
    const summary = await drain(
      device,
      (item, { attempt }) => {
        if (item === 'bad' && attempt === 1) throw new Error('later')
      },
      {
        requeueTo: writer,
        backoff: { firstMs: 20, maxMs: 20 },
        attemptStore: {
          get: (key) => counts.get(key),
          set: (key, count) => {
            // The first one counts the attempt that fails, the second is for the copy.
            if (++sets === 2) throw new Error('the database is away')
            counts.set(key, count)
          },
          delete: (key) => counts.delete(key),
        },
      },
      { maxUnacked: 1 },
    )
    expect(summary).toMatchObject({ handled: 2, requeued: 1, failedAttempts: 1 })
    expect(await itemsOf(device)).toEqual([])
  })

  test('is tried again in its place after an item that is being handled', async () => {
    const device = await filled(['slow', 'bad', 'c'])
    await using writer = await RingWriter.open(device, { codec: text })
    const { opened, open: end } = gate()
    const summary = await drain(
      device,
      (item, { attempt }) => {
        if (item === 'slow') return opened
        if (item === 'bad' && attempt < 5) throw new Error('later')
        if (item === 'bad') end()
        return undefined
      },
      { requeueTo: writer, concurrency: 2 },
      { maxUnacked: 3 },
    )
    expect(summary).toMatchObject({ handled: 3, failedAttempts: 4, requeued: 0 })
  })

  test('may be an entry that the program received before, and acknowledges', async () => {
    await using reader = await open(await filled(['a', 'b']), { maxUnacked: 1 })
    const { ack } = await reader.receive()
    const running = reader.process(() => undefined, { untilEmpty: true })
    for (let turns = 0; turns < 30; turns++) await new Promise((resolve) => setImmediate(resolve))
    await ack()
    expect(await running).toMatchObject({ handled: 1 })
  })

  test('leaves nothing behind if it is acknowledged just when more is asked for', async () => {
    const names = ['a', 'b', 'c']
    await using reader = await open(await filled(names), { maxUnacked: 1 })
    const { ack } = await reader.receive()
    // As if it were acknowledged between the answer and what it is waited with.
    const reserved = reserve(reader, 'process')
    const source: typeof reserved = {
      ...reserved,
      tryReceiveMany: async (options) => {
        const entries = await reserved.tryReceiveMany(options)
        await ack()
        return entries
      },
    }
    const options = { untilEmpty: true }
    const summary = await processFrom(source, () => undefined, options, internalsOf(reader))
    expect(summary).toMatchObject({ handled: 2 })
  })

  test('keeps its place if it has a key', async () => {
    const device = await filled(['bad', 'a', 'b', 'c'])
    const handled: string[] = []
    await using writer = await RingWriter.open(device, { codec: text })
    const summary = await drain(
      device,
      (item, { attempt }) => {
        if (item === 'bad' && attempt < 3) throw new Error('later')
        handled.push(item)
      },
      { requeueTo: writer, keyOf: () => 'one' },
      { maxUnacked: 2 },
    )
    expect(handled).toEqual(['bad', 'a', 'b', 'c'])
    expect(summary).toMatchObject({ handled: 4, requeued: 0 })
  })

  test('is not put there once nobody waits any more', async () => {
    const device = await filled(['bad', 'a'])
    await using writer = await RingWriter.open(device, { codec: text })
    const stop = new AbortController()
    let signal: AbortSignal | undefined
    const requeueTo = {
      producer: writer.producer,
      pushEncoded: (_: Uint8Array, options: { readonly signal: AbortSignal }) => {
        signal = options.signal
        stop.abort()
        return new Promise<never>((_resolve, reject) => {
          options.signal.addEventListener('abort', () => reject(options.signal.reason))
        })
      },
    }
    await using reader = await open(device, { maxUnacked: 1 })
    const summary = await reader.process(
      () => {
        throw new Error('later')
      },
      { requeueTo, graceMs: 0, signal: stop.signal, backoff: { firstMs: 60_000 } },
    )
    expect(signal?.aborted).toBe(true)
    expect(summary).toMatchObject({ requeued: 0 })
    expect(await itemsOf(device)).toEqual(['bad', 'a'])
  })

  test('needs a writer of the same ring', async () => {
    const device = await filled(['a'])
    await using writer = await RingWriter.open(await otherRing())
    await expect(drain(device, () => undefined, { requeueTo: writer })).rejects.toThrow(RangeError)
  })
})

test('items read before damage are handled before the damage is reported', async () => {
  const names = Array.from({ length: 50 }, (_, n) => `item ${n}`)
  const device = await filled(names)
  {
    await using writer = await RingWriter.open(device, { codec: text })
    for (const name of ['damaged', 'last']) await writer.push(name)
  }
  const image = await deviceBytes(device)
  image[Buffer.from(image).indexOf('damaged')] = 0
  await device.write(0, [image])
  await using reader = await RingReader.open(device, { codec: text })
  const seen: string[] = []
  const options = { untilEmpty: true, concurrency: 2 }
  const handler = async (item: string): Promise<void> => {
    await Promise.resolve()
    seen.push(item)
  }
  const stopped = await reader.process(handler, options).catch((error: unknown) => error)
  if (!isRingError(stopped)) throw stopped
  expect(stopped.code).toBe('RING_DAMAGED')
  expect(seen).toEqual(names)
  await reader.seek(parsePosition(stopped.details.position ?? ''))
  expect(await reader.process(handler, options)).toMatchObject({ handled: 1 })
  expect(seen).toEqual([...names, 'last'])
  expect((await inspectRing(device)).usedBytes).toBe(0)
})
