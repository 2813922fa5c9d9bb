import diagnostics from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { json, text } from '../../src/codec/index.ts'
import { BlockError, isCodecError, isRingError } from '../../src/errors.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import type { RingEntry } from '../../src/ring/queue/entry.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import type { ReaderOptions } from '../../src/ring/queue/reader-options.ts'
import type { HeldEvent, Unacked } from '../../src/ring/queue/unacked-limit.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { formatPosition, parsePosition } from '../../src/ring/shared/position-text.ts'
import { FakeClock, settle } from '../helpers/fake-clock.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { attachProducer, SMALL, sectorsFor, smallRing } from '../helpers/ring.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']

async function filled(
  names: readonly string[] = NAMES,
  dataBytes = 61 * 512,
): Promise<HookedDevice> {
  const device = new HookedDevice(await smallRing(dataBytes))
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(names)
  return device
}

async function open(
  device: HookedDevice,
  more: Partial<ReaderOptions<string>> = {},
): Promise<RingReader<string>> {
  return RingReader.open(device, { ...more, codec: text })
}

async function receive(reader: RingReader<string>, count: number) {
  const entries: RingEntry<string>[] = []
  while (entries.length < count) {
    entries.push(...(await reader.receiveMany({ maxItems: count - entries.length })))
  }
  return entries as unknown as [
    RingEntry<string>,
    RingEntry<string>,
    RingEntry<string>,
    RingEntry<string>,
  ]
}

/** What the next reader gets. */
async function left(device: HookedDevice): Promise<string[]> {
  await using reader = await open(device)
  const items: string[] = []
  for (let entry = await reader.tryReceive(); entry; entry = await reader.tryReceive()) {
    items.push(entry.item)
  }
  return items
}

const writes = (device: HookedDevice): number =>
  device.take().filter(({ operation }) => operation === 'write').length

/** Whether a promise has settled once everything has happened that needs no time. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  await settle()
  return settled
}

describe('ack', () => {
  test('in any order: the ring advances past what is acknowledged without a gap', async () => {
    const device = await filled()
    const reader = await open(device)
    const [a, b, c, d] = await receive(reader, 4)
    device.take()
    await c.ack()
    await b.ack()
    expect(writes(device)).toBe(0)
    expect(reader.unacked).toEqual({
      entries: 4,
      acknowledged: 2,
      oldest: { position: a.position, number: a.number },
    })
    await a.ack()
    expect(reader.consumer.position).toBe(c.position)
    expect(reader.unacked).toMatchObject({ entries: 1, acknowledged: 0 })
    await a.ack()
    await reader.close()
    await expect(d.ack()).rejects.toMatchObject({ code: 'RING_CLOSED' })
    expect(await left(device)).toEqual(['d', 'e'])
  })

  test('an entry acknowledged after an unacknowledged one is delivered again after a close', async () => {
    const device = await filled()
    const reader = await open(device)
    const [a, , c] = await receive(reader, 3)
    await a.ack()
    await c.ack()
    await reader.close()
    expect(await left(device)).toEqual(['b', 'c', 'd', 'e'])
  })

  test('a handler that awaits its own never waits for another', async () => {
    const device = await filled()
    await using reader = await open(device)
    const done: string[] = []
    let finish = (): void => undefined
    const slow = new Promise<void>((resolve) => {
      finish = resolve
    })
    const handle = async (): Promise<void> => {
      const entry = await reader.receive()
      if (entry.item === 'a') await slow
      await entry.ack()
      done.push(entry.item)
    }
    const all = NAMES.map(handle)
    await Promise.all(all.slice(1))
    expect(done.toSorted()).toEqual(['b', 'c', 'd', 'e'])
    finish()
    await Promise.all(all)
    expect(reader.consumer.position).toBe(reader.position)
  })

  test('works when taken out of the entry as a function', async () => {
    const device = await filled(['a'])
    await using reader = await open(device)
    const { ack } = await reader.receive()
    await ack()
    expect(reader.consumer.position).toBe(reader.position)
  })

  test('has not happened if the device refuses it, and can be repeated', async () => {
    const device = await filled()
    await using reader = await open(device, { refreshIntervalMs: 1e9 })
    const [a, b, c] = await receive(reader, 3)
    device.before = ({ operation }) => {
      if (operation === 'write') throw new BlockError('BLOCK_READ_ONLY', 'no', { device: 'memory' })
    }
    await b.ack()
    await expect(a.ack()).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
    expect(reader.unacked).toMatchObject({ acknowledged: 1, oldest: { position: a.position } })
    await c.ack()
    device.before = () => undefined
    await a.ack()
    expect(reader.consumer.position).toBe(c.position)
  })

  test('of an item that does not decode lets the ring advance past it', async () => {
    const device = await filled(['1', '{', '3'])
    await using reader = await RingReader.open(device, { codec: json() })
    const first = await reader.receive()
    const failure = await reader.receive().catch((error: unknown) => error)
    const third = await reader.receive()
    await third.ack()
    await first.ack()
    expect(reader.consumer.position).toBe(first.position)
    if (!isCodecError(failure)) throw failure
    await failure.ack?.()
    expect(reader.consumer.position).toBe(third.position)
  })

  test('flush waits until all that was acknowledged is durable', async () => {
    const device = await filled()
    const reader = await open(device)
    const [a, b] = await receive(reader, 2)
    await reader.flush()
    await b.ack()
    const flushing = reader.flush()
    expect(await isSettled(flushing)).toBe(false)
    const stop = new AbortController()
    const stopped = reader.flush({ signal: stop.signal })
    expect(await isSettled(stopped)).toBe(false)
    stop.abort(new Error('changed my mind'))
    await expect(stopped).rejects.toThrow('changed my mind')
    await a.ack()
    await flushing
    expect(reader.consumer.position).toBe(b.position)
    const [, d] = await receive(reader, 2)
    await d.ack()
    const closed = expect(reader.flush()).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await reader.close()
    await closed
  })

  test('lazily, it always resolves at once, and one write follows in time', async () => {
    const device = await filled()
    const clock = new FakeClock()
    await using reader = await open(device, { clock, lazyAck: { maxDelayMs: 300 } })
    const [a, b, c] = await receive(reader, 3)
    device.take()
    await c.ack()
    await a.ack()
    await clock.advance(300)
    await b.ack()
    expect(reader.consumer.position).toBe(a.position)
    await clock.advance(300)
    await reader.flush()
    expect(reader.consumer.position).toBe(c.position)
    expect(writes(device)).toBeGreaterThan(0)
  })
})

describe('ackThrough', () => {
  test.skipIf(FORMAT === 2)('refuses a position inside an item, and forgets it', async () => {
    const device = await filled()
    {
      await using reader = await open(device)
      const [a] = await receive(reader, 3)
      for (const bytes of [1n, 4n]) {
        const inside = (a.position + bytes) as typeof a.position
        await expect(reader.ackThrough(inside)).rejects.toThrow(RangeError)
      }
      await a.ack()
    }
    expect(await left(device)).toEqual(NAMES.slice(1))
  })

  test('acknowledges a batch with one write, by an entry or a position', async () => {
    const device = await filled()
    await using reader = await open(device)
    const [, b] = await receive(reader, 2)
    device.take()
    await reader.ackThrough(b)
    expect(writes(device)).toBe(1)
    const [, d] = await receive(reader, 2)
    await reader.ackThrough(d.position)
    expect(reader.consumer.position).toBe(d.position)
    expect(reader.unacked).toEqual({ entries: 0, acknowledged: 0, oldest: undefined })
  })

  test('refuses the entry of another reader, and what was not delivered', async () => {
    const [one, other] = [await filled(), await filled()]
    await using reader = await open(one)
    await using second = await open(other)
    const entry = await second.receive()
    await expect(reader.ackThrough(entry)).rejects.toThrow(TypeError)
    await expect(reader.ackThrough({} as RingEntry<string>)).rejects.toThrow(TypeError)
    await expect(reader.ackThrough(entry.position)).rejects.toThrow(RangeError)
    await expect(reader.ackThrough(undefined as never)).rejects.toThrow(TypeError)
    const shown = formatPosition(entry.position, FORMAT) as never
    await expect(reader.ackThrough(shown)).rejects.toThrow(/parsePosition/)
    await expect(reader.seek(shown)).rejects.toThrow(/parsePosition/)
  })
})

describe('going back', () => {
  test('passes over what is acknowledged, unless asked', async () => {
    const device = await filled()
    await using reader = await open(device)
    const [, b, , d] = await receive(reader, 4)
    await b.ack()
    await d.ack()
    await reader.rewind()
    expect((await reader.receiveMany()).map(({ item }) => item)).toEqual(['a', 'c', 'e'])
    await reader.rewind({ acknowledgedToo: true })
    const all = await reader.receiveMany()
    expect(all.map(({ item }) => item)).toEqual(NAMES)
    await all[0]?.ack()
    expect(reader.consumer.position).toBe(all[0]?.position)
    for (const entry of all) await entry.ack()
    expect(reader.consumer.position).toBe(all[4]?.position)
  })

  test('an entry that was delivered before is the same one', async () => {
    const device = await filled()
    await using reader = await open(device)
    const [a, b] = await receive(reader, 2)
    await reader.rewind()
    await b.ack()
    const [again, c] = await receive(reader, 2)
    expect([again.item, c.item]).toEqual(['a', 'c'])
    await a.ack()
    expect(reader.consumer.position).toBe(b.position)
    await again.ack()
  })

  test('delivers nothing again that is acknowledged, and not written yet with lazyAck', async () => {
    const device = await filled()
    await using reader = await open(device, { clock: new FakeClock(), lazyAck: true })
    const [a, , c] = await receive(reader, 3)
    await a.ack()
    await c.ack()
    await reader.rewind()
    expect((await reader.receiveMany()).map(({ item }) => item)).toEqual(['b', 'd', 'e'])
  })
})

describe('maxUnacked', () => {
  test('has an exception of onHeld thrown by the call that receives', async () => {
    await using reader = await open(await filled(), {
      maxUnacked: 1,
      onHeld: ({ oldest }) => {
        throw new Error(`the item before ${oldest?.position} is not acknowledged`)
      },
    })
    const entry = await reader.receive()
    const missing = `the item before ${entry.position} is not acknowledged`
    await expect(reader.receive()).rejects.toThrow(missing)
    await entry.ack()
    expect((await reader.receive()).item).toBe('b')
  })

  test('loses no entry when onHeld throws: the next call throws it', async () => {
    await using reader = await open(await filled(), {
      maxUnacked: 2,
      onHeld: () => {
        throw new Error('held')
      },
    })
    const entries = await reader.receiveMany()
    expect(entries.map(({ item }) => item)).toEqual(['a', 'b'])
    await expect(reader.receiveMany()).rejects.toThrow('held')
    await reader.ackAll(entries)
    expect((await reader.receiveMany()).map(({ item }) => item)).toEqual(['c', 'd'])
  })

  test('bounds what is delivered, and tells which entry holds it', async () => {
    const device = await filled()
    const clock = new FakeClock()
    const told: Unacked[] = []
    const onHeld = (unacked: Unacked): void => void told.push(unacked)
    await using reader = await open(device, { maxUnacked: 3, maxPollMs: 60_000, clock, onHeld })
    const messages: HeldEvent[] = []
    const hear = (message: unknown): void => void messages.push(message as HeldEvent)
    diagnostics.subscribe('shared-block-ring:held', hear)
    const entries = await reader.receiveMany()
    expect(entries.map(({ item }) => item)).toEqual(['a', 'b', 'c'])
    expect(await reader.tryReceive()).toBeUndefined()
    const waiting = reader.receive()
    await entries[1]?.ack()
    await clock.advance(1000)
    expect(await isSettled(waiting)).toBe(false)
    diagnostics.unsubscribe('shared-block-ring:held', hear)
    const [a] = entries
    const oldest = { position: a?.position, number: a?.number }
    expect(told).toEqual([{ entries: 3, acknowledged: 0, oldest }])
    expect(messages).toEqual([
      {
        device: device.name,
        queue: 'unknown',
        client: 'unknown',
        position: a?.position,
        number: a?.number,
        unackedEntries: 3,
      },
    ])
    await a?.ack()
    expect((await waiting).item).toBe('d')
    expect((await reader.receive()).item).toBe('e')
    expect(await reader.tryReceive()).toBeUndefined()
    await reader.rewind()
    expect((await reader.receiveMany()).map(({ item }) => item)).toEqual(['c', 'd', 'e'])
  })

  test('is at least 1', async () => {
    const device = await filled()
    await expect(open(device, { maxUnacked: 0 })).rejects.toThrow(RangeError)
    expect(await left(device)).toEqual(NAMES)
  })
})

describe('acknowledging while other calls run or fail', () => {
  /** Has the device refuse the next write, once it is released, and no other. */
  function refuseNext(device: HookedDevice): { begun: Promise<void>; release: () => void } {
    let begin = (): void => undefined
    let release = (): void => undefined
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    device.before = async ({ operation }) => {
      if (operation !== 'write') return
      device.before = () => undefined
      begin()
      await released
      throw new BlockError('BLOCK_READ_ONLY', 'no', { device: device.name })
    }
    return { begun, release: () => release() }
  }

  test.each([false, { maxCalls: 1 }] as const)(
    'flush ends with the handle (lazyAck: %o)',
    async (lazyAck) => {
      const device = await filled()
      await using reader = await open(device, { lazyAck })
      const [a, , c] = await receive(reader, 3)
      await c.ack()
      const early = expect(reader.flush()).rejects.toMatchObject({ code: 'BLOCK_IO' })
      device.before = ({ operation }) => {
        if (operation === 'write') throw new BlockError('BLOCK_IO', 'no', { device: device.name })
      }
      await expect(a.ack()).rejects.toMatchObject({ code: 'BLOCK_IO' })
      await early
      await expect(reader.flush()).rejects.toMatchObject({ code: 'BLOCK_IO' })
    },
  )

  test('a second ack does not resolve because the first one was refused', async () => {
    const device = await filled()
    await using reader = await open(device, { refreshIntervalMs: 1e9 })
    const [a] = await receive(reader, 2)
    const { begun, release } = refuseNext(device)
    const first = expect(a.ack()).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
    await begun
    const second = a.ack()
    release()
    await first
    await second
    expect(reader.consumer.position).toBe(a.position)
  })

  test('a second ack does not resolve because a refused ackThrough took its entry back', async () => {
    const device = await filled()
    await using reader = await open(device, { refreshIntervalMs: 1e9 })
    const [a, b] = await receive(reader, 2)
    const { begun, release } = refuseNext(device)
    const through = expect(reader.ackThrough(b)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
    await begun
    const second = b.ack()
    release()
    await through
    await second
    expect(reader.unacked).toMatchObject({ entries: 2, acknowledged: 1 })
    await a.ack()
    expect(reader.consumer.position).toBe(b.position)
  })

  test('flush waits for what was acknowledged before one that was refused', async () => {
    const device = await filled()
    await using reader = await open(device, { refreshIntervalMs: 1e9 })
    const [a, b, c] = await receive(reader, 3)
    await b.ack()
    const { begun, release } = refuseNext(device)
    const acks = Promise.allSettled([a.ack(), c.ack()])
    await begun
    const flushing = reader.flush()
    release()
    expect((await acks).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await isSettled(flushing)).toBe(false)
    await a.ack()
    await flushing
    expect(reader.consumer.position).toBe(b.position)
  })

  test('flushes that were aborted leave nothing behind', async () => {
    const device = await filled()
    await using reader = await open(device)
    const [a, b] = await receive(reader, 2)
    await b.ack()
    for (let n = 0; n < 20_000; n++) {
      const controller = new AbortController()
      const flushing = reader.flush({ signal: controller.signal })
      controller.abort('enough')
      await flushing.catch(() => undefined)
    }
    await a.ack()
    expect(reader.consumer.position).toBe(b.position)
  })

  test('what the primitives acknowledged holds nothing', async () => {
    const device = await filled()
    await using reader = await open(device)
    const [a, b] = await receive(reader, 3)
    await reader.consumer.advance(a.position)
    await b.ack()
    expect(reader.consumer.position).toBe(b.position)
    const [, d] = await receive(reader, 2)
    await d.ack()
    await reader.consumer.advance(d.position)
    await reader.flush()
    expect(reader.unacked.entries).toBe(0)
  })

  test('a receive that waits at the bound hears that the reader went back', async () => {
    const device = await filled()
    const clock = new FakeClock()
    await using reader = await open(device, { clock, maxUnacked: 2, maxPollMs: 60_000 })
    await receive(reader, 2)
    const waiting = reader.receive()
    await clock.advance(20_000)
    await reader.rewind()
    expect((await waiting).item).toBe('a')
  })

  test('what is acknowledged while finished items are passed is not read again', async () => {
    const names = Array.from({ length: 3000 }, (_, n) => String(n).padEnd(1000))
    const device = await filled(names, 8000 * 512)
    await using reader = await open(device)
    const entries = await receive(reader, names.length)
    for (const entry of entries.slice(1)) await entry.ack()
    await reader.rewind()
    let acked: Promise<void> | undefined
    device.before = ({ operation }) => {
      if (operation === 'read') acked ??= entries[0].ack()
    }
    const receiving = reader.tryReceive()
    // In format 1 it reads these items once more; in format 2 it kept them.
    expect(await receiving).toEqual(
      FORMAT === 1 ? undefined : expect.objectContaining({ number: 1 }),
    )
    device.before = () => undefined
    await acked
  })
})

test('two loops may receive: each item goes to one', async () => {
  const names = Array.from({ length: 200 }, (_, n) => String(n))
  const device = await filled(names)
  await using reader = await open(device)
  const taken: string[][] = [[], []]
  await Promise.all(
    taken.map(async (items) => {
      while (reader.position < reader.consumer.position || items.length + 1 < names.length) {
        const entry = await reader.tryReceive()
        if (entry === undefined) return
        items.push(entry.item)
        await new Promise((resolve) => setImmediate(resolve))
        await entry.ack()
      }
    }),
  )
  expect(taken.every((items) => items.length > 50)).toBe(true)
  expect(taken.flat().toSorted((x, y) => Number(x) - Number(y))).toEqual(names)
  await reader.flush()
  expect(reader.unacked.entries).toBe(0)
})

test('an entry tells when it was pushed, and which item of the ring it is', async () => {
  const device = new HookedDevice(await smallRing())
  const clock = new FakeClock()
  const started = clock.time()
  await using writer = await RingWriter.open(device, { codec: text, clock })
  await writer.pushMany(['a', 'b'])
  await clock.advance(5000)
  await writer.push('c')
  await using reader = await open(device)
  const told = (await reader.receiveMany()).map(({ number, pushedAt }) => [number, pushedAt])
  const [early, late] = [started, started + 5000]
  expect(told).toEqual(
    FORMAT === 2
      ? [
          [1, early],
          [2, early],
          [3, late],
        ]
      : Array(3).fill([undefined, undefined]),
  )
})

describe.runIf(FORMAT === 2)('items that are no longer in the ring count as acknowledged', () => {
  test('if they were overwritten', async () => {
    const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: sectorsFor(8 * 512) }))
    await Producer.create(device, { ...SMALL, onFull: 'overwrite' })
    await using writer = await RingWriter.open(device, { codec: text })
    for (const name of ['a', 'b', 'c']) await writer.push(name)
    await using reader = await open(device, { refreshIntervalMs: 0 })
    const [a, b, c] = await receive(reader, 3)
    await b.ack()
    for (let n = 0; n < 20; n++) await writer.push(`later ${n}`)
    await reader.state()
    await reader.rewind()
    const next = await reader.receive()
    expect(next.missed).toBeGreaterThanOrEqual(3)
    expect(reader.unacked).toMatchObject({ entries: 1, acknowledged: 0 })
    await next.ack()
    expect(reader.consumer.position).toBe(next.position)
    for (const entry of [a, c]) await entry.ack()
    expect(reader.consumer.position).toBe(next.position)
  })

  test.each(['seek', 'ackThrough'] as const)(
    'if they are damaged, and `%s` skips them',
    async (how) => {
      const device = await filled([])
      await using writer = await RingWriter.open(device, { codec: text })
      for (const name of ['a', 'damaged', 'c']) await writer.push(name)
      const image = await imageOf(device)
      const at = Buffer.from(image).indexOf('damaged')
      image[at] = 0
      await device.write(0, [image])
      await using reader = await open(device)
      const [a] = await receive(reader, 1)
      const damage = await reader.receive().catch((error: unknown) => error)
      if (!isRingError(damage)) throw damage
      expect(damage.code).toBe('RING_DAMAGED')
      await expect(reader.receive()).rejects.toMatchObject({ code: 'RING_DAMAGED' })
      const behind = parsePosition(damage.details.position ?? '')
      await reader[how](behind)
      if (how === 'ackThrough') {
        expect(reader.consumer.position).toBe(behind)
      } else {
        const c = await reader.receive()
        await c.ack()
        expect(c.item).toBe('c')
        await a.ack()
        expect(reader.consumer.position).toBe(c.position)
      }
    },
  )

  test('if they are damaged at the end, and all before them are acknowledged', async () => {
    const device = await filled([])
    await using writer = await RingWriter.open(device, { codec: text })
    for (const name of ['a', 'damaged']) await writer.push(name)
    await writer.close()
    const image = await imageOf(device)
    image[Buffer.from(image).indexOf('damaged')] = 0
    await device.write(0, [image])
    const reader = await open(device)
    const a = await reader.receive()
    const damage = await reader.receive().catch((error: unknown) => error)
    if (!isRingError(damage)) throw damage
    const behind = parsePosition(damage.details.position ?? '')
    await reader.seek(behind)
    await a.ack()
    expect(reader.consumer.position).toBe(behind)
    await reader.close()
  })

  test('if a lost cache took them: the new epoch counts its items again', async () => {
    const device = await filled(['a'])
    await using reader = await open(device, { refreshIntervalMs: 0 })
    const producer = await attachProducer(device)
    const before = await imageOf(device)
    await producer.append([Buffer.from('lost1'), Buffer.from('lost2')])
    const [a, lost1, lost2] = await receive(reader, 3)
    expect([a.item, lost1.item, lost2.item]).toEqual(['a', 'lost1', 'lost2'])
    await lost2.ack()
    await producer.close()
    await device.write(0, [before])
    await using writer = await RingWriter.open(device, { codec: text })
    await writer.pushMany(['x', 'y'])
    const x = await reader.receive()
    expect(x.item).toBe('x')
    expect(x.number).toBe(lost1.number)
    expect(reader.unacked).toMatchObject({ entries: 2, acknowledged: 0 })
    await x.ack()
    await lost1.ack()
    await a.ack()
    expect(reader.consumer.position).toBe(x.position)
    expect((await reader.receive()).item).toBe('y')
  })

  test('if a lost cache took them after they were acknowledged: the items of the new epoch are delivered', async () => {
    const device = await filled(['a'])
    const options = { refreshIntervalMs: 0, lazyAck: true, clock: new FakeClock() }
    await using reader = await open(device, options)
    const producer = await attachProducer(device)
    const before = await imageOf(device)
    await producer.append([Buffer.from('lost1'), Buffer.from('lost2')])
    const lost = await receive(reader, 3)
    for (const entry of lost) await entry.ack()
    await producer.close()
    await device.write(0, [before])
    await using writer = await RingWriter.open(device, { codec: text })
    await writer.pushMany(['x', 'y', 'z'])
    const x = await reader.tryReceive()
    const y = await reader.tryReceive()
    expect([x?.item, y?.item]).toEqual(['x', 'y'])
    expect([x?.number, y?.number]).toEqual([lost[1].number, lost[2].number])
    await y?.ack()
    await x?.ack()
    await reader.flush()
    expect(reader.consumer.position).toBe(y?.position)
  })
})

async function imageOf(device: HookedDevice): Promise<Uint8Array> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const image = new Uint8Array(sectorSize * sizeSectors)
  await device.read(0, [image])
  return image
}
