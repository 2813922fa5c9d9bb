import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { deadLetters } from '../../src/codec/dead-letter.ts'
import { json, text } from '../../src/codec/index.ts'
import { BlockError, isRingError } from '../../src/errors.ts'
import type { DeadLetter, Handler, ProcessOptions, WorkEvent } from '../../src/jobs/types.ts'
import type { Position } from '../../src/position.ts'
import { inspectRing, Producer } from '../../src/ring/access/attach.ts'
import { process as processFrom } from '../../src/ring/queue/handling/process.ts'
import type { ProcessSource } from '../../src/ring/queue/handling/processor.ts'
import { insideOf, type ReaderOptions, RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { parsePosition } from '../../src/ring/shared/position-text.ts'
import { collect } from '../helpers/collect.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { deviceBytes } from '../helpers/golden.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { ringDevice, SMALL, sectorsFor, smallRing } from '../helpers/ring.ts'

const decoder = new TextDecoder()

async function filled(names: readonly string[], dataBytes = 128 * 512): Promise<HookedDevice> {
  const device = new HookedDevice(await smallRing(dataBytes))
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(names)
  return device
}

/** What is in a ring, as text. */
async function itemsOf(device: HookedDevice | MemoryBlockDevice): Promise<string[]> {
  const items = await collect((await inspectRing(device)).items())
  return items.map(({ item }) => decoder.decode(item))
}

async function open(
  device: HookedDevice,
  more: Partial<ReaderOptions<string>> = {},
): Promise<RingReader<string>> {
  return RingReader.open(device, { ...more, codec: text })
}

/** Processes what there is, with pauses that take no time. */
async function drain(
  device: HookedDevice,
  handler: Handler<string>,
  options: ProcessOptions<string> = {},
  more: Partial<ReaderOptions<string>> = {},
) {
  await using reader = await open(device, more)
  const quick = { untilEmpty: true, backoff: { firstMs: 0, maxMs: 0 } }
  return await reader.process(handler, { ...quick, ...options })
}

/** Acknowledges all that is in a ring. */
async function empty(device: BlockDevice): Promise<void> {
  await using reader = await RingReader.open(device)
  const entries = await reader.tryReceiveMany()
  await reader.ackAll(entries)
}

/** A ring on a device of another name. */
async function otherRing(): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: sectorsFor(4096), name: 'other' })
  await Producer.create(device, SMALL)
  return device
}

/** A promise that is settled from outside. */
function gate<T = void>() {
  let open: (value: T) => void = () => undefined
  const opened = new Promise<T>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Whatever is asked of it throws. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** What is published while something runs. */
async function published(run: () => Promise<unknown>): Promise<WorkEvent[]> {
  const events: WorkEvent[] = []
  const listen = (message: unknown): void => void events.push(message as WorkEvent)
  subscribe('shared-block-ring:work', listen)
  try {
    await run()
  } finally {
    unsubscribe('shared-block-ring:work', listen)
  }
  return events
}

/** A device whose writes take effect at once, and are answered late. */
class SlowDevice extends ForwardingBlockDevice {
  slow = false
  readonly #written = gate()
  readonly #answered = gate()

  /** A slow write took effect. */
  get written(): Promise<void> {
    return this.#written.opened
  }

  /** Answers it. */
  release(): void {
    this.slow = false
    this.#answered.open()
  }

  override async write(...request: Parameters<BlockDevice['write']>): Promise<void> {
    await super.write(...request)
    if (!this.slow) return
    this.#written.open()
    await this.#answered.opened
  }
}

describe('handlers', () => {
  test('run side by side, as many as there may be, and each item is acknowledged', async () => {
    const names = Array.from({ length: 100 }, (_, n) => `item ${n}`)
    const device = await filled(names)
    let now = 0
    let most = 0
    const handled: string[] = []
    const summary = await drain(
      device,
      async (item) => {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setImmediate(resolve))
        handled.push(item)
        now--
      },
      { concurrency: 8 },
    )
    expect(most).toBe(8)
    expect(handled.sort()).toEqual(names.sort())
    expect(summary).toMatchObject({ handled: 100, failedAttempts: 0, abandoned: 0 })
    expect(await itemsOf(device)).toEqual([])
  })

  test('that are slow hold up no other, and their items come again after a crash', async () => {
    const device = await filled(['slow', 'a', 'b', 'c'])
    const reader = await open(device)
    const { opened } = gate()
    const stop = new AbortController()
    const handled: string[] = []
    const handler: Handler<string> = (item) => {
      handled.push(item)
      if (handled.length === 4) stop.abort()
      return item === 'slow' ? opened : undefined
    }
    const options = { concurrency: 2, graceMs: 0, signal: stop.signal }
    expect(await reader.process(handler, options)).toMatchObject({ handled: 3, abandoned: 1 })
    await reader.close()
    expect(await itemsOf(device)).toEqual(['slow', 'a', 'b', 'c'])
    const again: string[] = []
    await drain(device, (item) => again.push(item))
    expect(again).toEqual(['slow', 'a', 'b', 'c'])
  })

  test('learn whether the item may have been handled before', async () => {
    const device = await filled(['old'])
    await using reader = await open(device)
    await using writer = await RingWriter.open(device, { codec: text })
    const stop = new AbortController()
    const seen: unknown[] = []
    const running = reader.process(
      async (item, { attempt, mayHaveRun, position, number, pushedAt }) => {
        seen.push({ item, attempt, mayHaveRun, known: [typeof position, number, typeof pushedAt] })
        if (item === 'old') await writer.push('new')
        if (item === 'new' && attempt === 2) stop.abort()
        else if (item === 'new') throw new Error('once more')
      },
      { signal: stop.signal, backoff: { firstMs: 0, maxMs: 0 } },
    )
    await running
    const known = (number: number) =>
      reader.consumer.format === 1
        ? ['bigint', undefined, 'undefined']
        : ['bigint', number, 'number']
    expect(seen).toEqual([
      { item: 'old', attempt: 1, mayHaveRun: true, known: known(1) },
      { item: 'new', attempt: 1, mayHaveRun: false, known: known(2) },
      { item: 'new', attempt: 2, mayHaveRun: true, known: known(2) },
    ])
  })
})

describe('an attempt that fails', () => {
  test('is made again after a pause that doubles, and takes no turn from others', async () => {
    const clock = new FakeClock()
    const device = await filled(['bad', 'a', 'b'])
    const reader = await open(device, { clock })
    const calls: [string, number][] = []
    const running = reader.process(
      (item, { attempt }) => {
        calls.push([item, clock.now()])
        if (item === 'bad' && attempt < 4) throw new Error('not yet')
      },
      { untilEmpty: true, backoff: { firstMs: 100, maxMs: 250 }, random: () => 1 },
    )
    await clock.advance(99)
    expect(calls).toEqual([
      ['bad', 0],
      ['a', 0],
      ['b', 0],
    ])
    await clock.advance(1000)
    expect(await running).toMatchObject({ handled: 3, failedAttempts: 3 })
    expect(calls.slice(3)).toEqual([
      ['bad', 100],
      ['bad', 300],
      ['bad', 550],
    ])
    await reader.close()
  })

  test.each<[string, (job: Parameters<Handler<string>>[1]) => unknown, number]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
      100,
    ],
    ['rejects', () => Promise.reject(new Error('no')), 100],
    ['answers retry', (job) => job.retry(), 100],
    [
      'asks for a retry and does not return it',
      (job) => {
        job.retry()
      },
      100,
    ],
    ['answers retry with a pause', (job) => job.retry({ afterMs: 7 }), 7],
  ])('%s', async (_, fail, pauseMs) => {
    const clock = new FakeClock()
    const reader = await open(await filled(['a']), { clock })
    const at: number[] = []
    const running = reader.process(
      (_item, job) => {
        at.push(clock.now())
        return job.attempt === 1 ? fail(job) : undefined
      },
      { untilEmpty: true, backoff: { firstMs: 100 }, random: () => 1 },
    )
    await clock.advance(1000)
    await running
    expect(at).toEqual([0, pauseMs])
    await reader.close()
  })

  test.each(['retry', 'dead', { what: 'dead', reason: 'x' }, { what: 'retry' }, { error: 'x' }])(
    'is none where an item makes a handler answer %o',
    async (answer) => {
      const device = await filled([JSON.stringify(answer)])
      const summary = await drain(device, (item) => JSON.parse(item))
      expect(summary).toMatchObject({ handled: 1, failedAttempts: 0 })
    },
  )

  test('without a dead letter ends it at the limit; the item stays, and a new call comes to it', async () => {
    const device = await filled(['a', 'bad', 'c'])
    const reader = await open(device)
    const cause = new Error('cannot be done')
    const handler: Handler<string> = (item) => {
      if (item === 'bad') throw cause
    }
    const options = { attempts: 3, backoff: { firstMs: 0, maxMs: 0 } }
    const error = await reader.process(handler, options).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'WORK_GIVEN_UP', details: { attempts: 3 }, cause })
    const seen: string[] = []
    await reader.process((item) => seen.push(item), { untilEmpty: true })
    expect(seen).toContain('bad')
    expect(seen).not.toContain('a')
    await reader.close()
    expect(await itemsOf(device)).toEqual([])
  })
})

describe('a dead letter', () => {
  const dies: Handler<string> = (item, job) =>
    item === 'bad' ? job.dead('no such user') : undefined

  test('is durable before its item is acknowledged', async () => {
    const device = await filled(['a', 'bad', 'c'])
    const letters: (DeadLetter<string> & { waiting: string[] })[] = []
    const summary = await drain(device, dies, {
      deadLetter: async (letter) => {
        letters.push({ ...letter, waiting: await itemsOf(device) })
      },
    })
    expect(letters).toMatchObject([
      { item: 'bad', attempts: 1, error: 'no such user', waiting: expect.arrayContaining(['bad']) },
    ])
    expect(summary).toMatchObject({ handled: 2, deadLettered: 1 })
    expect(await itemsOf(device)).toEqual([])
  })

  test.each(['device', 'writer'])('in a ring, by its %s, says what and why', async (by) => {
    const device = await filled(['bad'])
    const dead = await smallRing()
    await using writer =
      by === 'writer' ? await RingWriter.open(dead, { codec: json() }) : undefined
    await drain(device, dies, { deadLetter: writer ?? dead })
    const [stored] = await collect((await inspectRing(dead)).items())
    const { ring } = await inspectRing(device)
    expect(await deadLetters.decode(stored?.item ?? new Uint8Array())).toMatchObject({
      ...{ bytes: new TextEncoder().encode('bad'), attempts: 1, reason: 'no such user' },
      ring: ring?.uuid ?? device.name,
    })
  })

  test('has the bytes of the ring, whatever was done to those that were handed out', async () => {
    const device = await filled(['bad'])
    await using reader = await RingReader.open(device)
    const letters: string[] = []
    const handler: Handler<Uint8Array> = (item, job) => {
      item.fill(0)
      return job.dead('it is')
    }
    await reader.process(handler, {
      untilEmpty: true,
      deadLetter: async ({ bytes }) => void letters.push(decoder.decode(bytes)),
    })
    expect(letters).toEqual(['bad'])
  })

  test('that cannot be handed over is tried again, and its handler is not', async () => {
    const device = await filled(['bad'])
    let handlers = 0
    let failures = 3
    const events = await published(() =>
      drain(
        device,
        (item, job) => {
          handlers++
          return dies(item, job)
        },
        {
          deadLetter: async () => {
            if (failures-- > 0) throw new Error('no room')
          },
        },
      ),
    )
    expect(handlers).toBe(1)
    expect(events.map(({ event }) => event)).toEqual([
      'fail',
      'retry',
      'retry',
      'retry',
      'deadLetter',
    ])
    expect(events[1]).toMatchObject({
      what: 'deadLetter',
      attempt: 1,
      error: { message: 'no room' },
    })
  })

  test('that its ring can never take ends it, and the item stays', async () => {
    const large = 'x'.repeat(6000)
    const device = await filled([large])
    const dead = await smallRing(4096)
    const running = drain(device, (_, job) => job.dead('too large'), { deadLetter: dead })
    await expect(running).rejects.toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
    expect(await itemsOf(device)).toEqual([large])
  })

  test.each<[string, () => unknown]>([
    ['an object without a prototype', () => Object.create(null)],
    ['an error without a message', () => Object.assign(new Error(), { message: undefined })],
    ['a symbol', () => Symbol('bad')],
    ['an error of half characters', () => new Error('\ud800'.repeat(1000))],
    [
      'an error that fails',
      () => Object.defineProperty(new Error(), 'message', { get: () => JSON.parse('{') }),
    ],
    ['a revoked proxy', revoked],
  ])('is stored if the handler threw %s', async (_, thrown) => {
    const device = await filled(['bad'])
    const dead = await otherRing()
    const stop = new AbortController()
    let retries = 0
    const listen = (message: unknown): void => {
      if ((message as WorkEvent).event === 'retry' && ++retries === 3) stop.abort()
    }
    subscribe('shared-block-ring:work', listen)
    const handler: Handler<string> = () => {
      throw thrown()
    }
    const options = { attempts: 1, deadLetter: dead, signal: stop.signal }
    const summary = await drain(device, handler, options)
    unsubscribe('shared-block-ring:work', listen)
    expect(summary).toMatchObject({ deadLettered: 1 })
    const [stored] = await collect((await inspectRing(dead)).items())
    const { reason } = await deadLetters.decode(stored?.item ?? new Uint8Array())
    expect(reason.length).toBeGreaterThan(0)
  })

  test('waits for room without a turn, and without the role of its ring', async () => {
    const device = await filled(['bad', 'good'])
    const dead = await otherRing()
    const fill = await RingWriter.open(dead)
    while ((await fill.tryPush(new Uint8Array(500))).status === 'ok');
    await fill.close()
    const seen: string[] = []
    const events: WorkEvent[] = []
    let emptied: Promise<void> | undefined
    const listen = (message: unknown): void => {
      events.push(message as WorkEvent)
      if ((message as WorkEvent).event === 'handled') emptied = empty(dead)
    }
    subscribe('shared-block-ring:work', listen)
    const summary = await drain(
      device,
      (item, job) => {
        seen.push(item)
        return item === 'bad' ? job.dead('is bad') : undefined
      },
      { deadLetter: dead, concurrency: 1 },
    )
    unsubscribe('shared-block-ring:work', listen)
    await emptied
    expect(seen).toEqual(['bad', 'good'])
    expect(summary).toMatchObject({ handled: 1, deadLettered: 1 })
    expect(events.find(({ event }) => event === 'retry')).toMatchObject({
      what: 'deadLetter',
      error: { message: expect.stringContaining('full') },
    })
    // Anybody can be its producer in the meantime.
    await (await RingWriter.open(dead)).close()
  })

  test('has a short reason where a long one does not fit', async () => {
    const device = await filled(['bad'])
    const dead = await otherRing()
    const dies = (_: string, job: Parameters<Handler<string>>[1]) => job.dead('x'.repeat(100_000))
    expect(await drain(device, dies, { deadLetter: dead })).toMatchObject({ deadLettered: 1 })
    const [stored] = await collect((await inspectRing(dead)).items())
    const { reason } = await deadLetters.decode(stored?.item ?? new Uint8Array())
    expect(reason).toBe('x'.repeat(100))
  })

  test('is not put into the ring itself', async () => {
    const device = await filled(['bad'])
    await expect(drain(device, dies, { deadLetter: device })).rejects.toThrow(RangeError)
    expect(await itemsOf(device)).toEqual(['bad'])
  })
})

describe('an item that does not decode', () => {
  async function broken(): Promise<HookedDevice> {
    const device = new HookedDevice(await smallRing())
    await using writer = await RingWriter.open(device)
    for (const item of ['"a"', '{', '"c"']) await writer.push(new TextEncoder().encode(item))
    return device
  }
  const process = async (device: HookedDevice, options: ProcessOptions<unknown>) => {
    await using reader = await RingReader.open(device, { codec: json() })
    const seen: unknown[] = []
    const summary = await reader.process((item) => seen.push(item), {
      ...options,
      untilEmpty: true,
    })
    return { seen, ...summary }
  }

  test('ends it, after those before it', async () => {
    const device = await broken()
    await expect(process(device, {})).rejects.toMatchObject({
      code: 'WORK_UNDECODABLE',
      cause: { code: 'CODEC_DECODE' },
    })
    expect(await itemsOf(device)).toEqual(['{', '"c"'])
  })

  test.each<[string, () => unknown]>([
    ['an object without a prototype', () => Object.create(null)],
    ['a revoked proxy', revoked],
  ])('is known as one if the codec threw %s', async (_, thrown) => {
    const device = await filled(['a'])
    const decode = (): string => {
      throw thrown()
    }
    await using reader = await RingReader.open(device, { codec: { ...text, decode } })
    await expect(reader.tryReceive()).rejects.toMatchObject({ code: 'CODEC_DECODE' })
    await reader.rewind()
    const options = { untilEmpty: true, onUndecodable: 'skip' } as const
    expect(await reader.process(() => undefined, options)).toMatchObject({ skipped: 1 })
  })

  test('is skipped', async () => {
    const device = await broken()
    expect(await process(device, { onUndecodable: 'skip' })).toMatchObject({
      ...{ seen: ['a', 'c'], handled: 2, skipped: 1 },
    })
    expect(await itemsOf(device)).toEqual([])
  })

  test('goes to the dead letters, untried', async () => {
    const device = await broken()
    const letters: DeadLetter<unknown>[] = []
    const deadLetter = async (letter: DeadLetter<unknown>): Promise<void> =>
      void letters.push(letter)
    expect(await process(device, { deadLetter })).toMatchObject({
      seen: ['a', 'c'],
      deadLettered: 1,
    })
    expect(letters).toMatchObject([{ attempts: 0, error: { code: 'CODEC_DECODE' } }])
    expect(letters[0]).not.toHaveProperty('item')
    expect(decoder.decode(letters[0]?.bytes)).toBe('{')
  })
})

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

  test('for which keyOf fails are given up, and no handler sees them', async () => {
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

describe('where all that may be delivered waits for one item', () => {
  test('it goes to the end of the ring, durably, before it is acknowledged, and its attempts count on', async () => {
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
    expect(events.filter(({ event }) => event === 'requeue').length).toBeGreaterThanOrEqual(1)
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

  test('it is tried again as before where the ring has no room', async () => {
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

  test('its copy is known as one, even if it can be read before its push resolves', async () => {
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

  test('it is not put there twice because the attempt store fails', async () => {
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

  test('behind one that is being handled it is tried again in its place', async () => {
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

  test('it may be an entry that the program got before, and acknowledges', async () => {
    await using reader = await open(await filled(['a', 'b']), { maxUnacked: 1 })
    const { ack } = await reader.receive()
    const running = reader.process(() => undefined, { untilEmpty: true })
    for (let turns = 0; turns < 30; turns++) await new Promise((resolve) => setImmediate(resolve))
    await ack()
    expect(await running).toMatchObject({ handled: 1 })
  })

  test('nothing is left behind if that is acknowledged just when more is asked for', async () => {
    const names = ['a', 'b', 'c']
    await using reader = await open(await filled(names), { maxUnacked: 1 })
    const { ack } = await reader.receive()
    // As if it were acknowledged between the answer and what it is waited with.
    const ask = reader.tryReceiveMany.bind(reader)
    reader.tryReceiveMany = async (options) => {
      const entries = await ask(options)
      await ack()
      return entries
    }
    const summary = await reader.process(() => undefined, { untilEmpty: true })
    expect(summary).toMatchObject({ handled: 2 })
  })

  test('an item with a key keeps its place', async () => {
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

  test('nothing goes there once nobody waits any more', async () => {
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

  test('the writer has to be of the same ring', async () => {
    const device = await filled(['a'])
    await using writer = await RingWriter.open(await otherRing())
    await expect(drain(device, () => undefined, { requeueTo: writer })).rejects.toThrow(RangeError)
  })
})

test('what was read before damage is handled before it is told', async () => {
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
  expect((await inspectRing(device)).used).toBe(0)
})

test('untilEmpty does not end where nothing more may be delivered, and may when the answer comes', async () => {
  const names = ['a', 'b', 'c', 'd']
  await using reader = await open(await filled(names), { maxUnacked: 1 })
  const source: ProcessSource<string> = {
    consumer: reader.consumer,
    receiveMany: (bounds) => reader.receiveMany(bounds),
    tryReceiveMany: async (bounds) => {
      const entries = await reader.tryReceiveMany(bounds)
      // The acknowledgement that is under way ends before the answer comes.
      for (let turn = 0; entries.length === 0 && turn < 9; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      return entries
    },
    bytesOf: (entry) => reader.bytesOf(entry),
    ackAll: (entries) => reader.ackAll(entries),
    flush: (options) => reader.flush(options),
    rewind: () => reader.rewind(),
  }
  const summary = await processFrom(source, () => undefined, { untilEmpty: true }, insideOf(reader))
  expect(summary.handled).toBe(names.length)
})

describe('attempts across crashes', () => {
  test('count, also one that ended the program', async () => {
    const device = await filled(['bad', 'b'])
    const store = new Map<string, number>()
    const tried: number[] = []
    const letters: unknown[] = []
    for (let run = 0; run < 4; run++) {
      const reader = await open(device)
      const stop = new AbortController()
      const handler: Handler<string> = (item, { attempt }) => {
        if (item !== 'bad') return undefined
        tried.push(attempt)
        // The program ends in the middle of it.
        stop.abort()
        return new Promise(() => undefined)
      }
      const how = { attempts: 3, attemptStore: store, graceMs: 0, untilEmpty: true }
      await reader.process(handler, {
        ...how,
        signal: stop.signal,
        deadLetter: async ({ item, attempts, error }) => void letters.push([item, attempts, error]),
      })
      await reader.close()
    }
    expect(tried).toEqual([1, 2, 3])
    expect(letters).toEqual([['bad', 3, new Error('the program ended during attempt 3')]])
    expect(await itemsOf(device)).toEqual([])
    expect(store.size).toBe(0)
  })

  test('no handler is called once it was stopped, however late the store answers', async () => {
    const device = await filled(['a'])
    await using reader = await open(device)
    const stop = new AbortController()
    const { opened, open: answer } = gate()
    let handled = 0
    const running = reader.process(() => handled++, {
      signal: stop.signal,
      graceMs: 0,
      attemptStore: {
        get: () => undefined,
        set: () => {
          stop.abort()
          return opened
        },
        delete: () => undefined,
      },
    })
    await running
    answer()
    await new Promise((resolve) => setImmediate(resolve))
    expect(handled).toBe(0)
    expect(await itemsOf(device)).toEqual(['a'])
  })

  test('a store that fails is asked again, and no attempt is made meanwhile', async () => {
    const device = await filled(['a'])
    let failures = 2
    const calls: number[] = []
    const store = new Map<string, number>()
    const events = await published(() =>
      drain(device, (_item, { attempt }) => calls.push(attempt), {
        attemptStore: {
          get: (key) => store.get(key),
          set: (key, count) => {
            if (failures-- > 0) throw new Error('the database is away')
            store.set(key, count)
          },
          delete: (key) => store.delete(key),
        },
      }),
    )
    expect(calls).toEqual([1])
    expect(events.map(({ event }) => event)).toEqual(['retry', 'retry', 'handled'])
  })
})

describe('stopping', () => {
  test('waits for handlers under way, and begins no other', async () => {
    const device = await filled(['a', 'b', 'c'])
    const reader = await open(device)
    const stop = new AbortController()
    const { opened, open: finish } = gate()
    const begun: string[] = []
    const running = reader.process(
      async (item, { signal }) => {
        begun.push(item)
        stop.abort()
        await opened
        expect(signal.aborted).toBe(false)
      },
      { signal: stop.signal },
    )
    await new Promise((resolve) => setImmediate(resolve))
    finish()
    expect(await running).toMatchObject({ handled: 1, abandoned: 0 })
    await reader.close()
    expect(begun).toEqual(['a'])
    expect(await itemsOf(device)).toEqual(['b', 'c'])
  })

  test('gives no item up whose handler fails then', async () => {
    const device = await filled(['a', 'b'])
    const reader = await open(device)
    const stop = new AbortController()
    const letters: unknown[] = []
    const summary = await reader.process(
      () => {
        stop.abort()
        throw new Error('stopped')
      },
      { attempts: 1, deadLetter: async (letter) => void letters.push(letter), signal: stop.signal },
    )
    expect(summary).toMatchObject({ failedAttempts: 1, deadLettered: 0 })
    expect(letters).toEqual([])
    await reader.close()
    expect(await itemsOf(device)).toEqual(['a', 'b'])
  })

  test('waits no longer than graceMs, and what a handler does after that does not count', async () => {
    const clock = new FakeClock()
    const device = await filled(['a', 'b'])
    const reader = await open(device, { clock })
    const stop = new AbortController()
    const { opened, open: finish } = gate()
    let told: unknown
    const running = reader.process(
      async (_item, { signal }) => {
        signal.addEventListener('abort', () => {
          told = signal.reason
        })
        await opened
      },
      { signal: stop.signal, graceMs: 500 },
    )
    await clock.settle()
    stop.abort()
    await clock.advance(499)
    expect(told).toBeUndefined()
    await clock.advance(1)
    expect(await running).toMatchObject({ handled: 0, abandoned: 1 })
    expect(told).toBeInstanceOf(Error)
    finish()
    await clock.settle()
    await reader.close()
    expect(await itemsOf(device)).toEqual(['a', 'b'])
  })

  test('what was handled in time is acknowledged, also if the write of it had to wait', async () => {
    const device = await filled(['a', 'b', 'slow'])
    await using reader = await open(device)
    const stop = new AbortController()
    const writing = gate()
    const { opened, open: write } = gate()
    device.before = async ({ operation }) => {
      if (operation !== 'write') return
      writing.open()
      await opened
      for (let turns = 0; turns < 9; turns++) await new Promise((resolve) => setImmediate(resolve))
    }
    const running = reader.process(
      async (item) => {
        if (item === 'slow') await new Promise(() => undefined)
        // Acknowledged only when the write for the first one is over.
        if (item === 'b') await writing.opened
        if (item === 'b') stop.abort()
      },
      { concurrency: 2, graceMs: 0, signal: stop.signal },
    )
    await writing.opened
    for (let turns = 0; turns < 9; turns++) await new Promise((resolve) => setImmediate(resolve))
    write()
    expect(await running).toMatchObject({ handled: 2, abandoned: 1 })
    expect(await itemsOf(device)).toEqual(['slow'])
  })

  test('a failure is told, also if a handler does not end', async () => {
    await using reader = await open(await filled(['slow', 'bad']))
    const running = reader.process(
      (item, job) => (item === 'bad' ? job.dead('bad') : new Promise(() => undefined)),
      { concurrency: 2, graceMs: 0 },
    )
    await expect(running).rejects.toMatchObject({ code: 'WORK_GIVEN_UP' })
  })

  test('a lazy acknowledgement is written by then', async () => {
    const device = await filled(['a', 'b', 'c'])
    const reader = await open(device, { lazyAck: { calls: 1e6, ms: 1e6 } })
    await reader.process(() => undefined, { untilEmpty: true })
    expect(await itemsOf(device)).toEqual([])
    await reader.close()
  })

  test('by an acknowledgement that fails: no further handler begins, and the error is thrown', async () => {
    const device = await filled(['a', 'b', 'c', 'd'])
    const reader = await open(device)
    const begun: string[] = []
    const broken = new BlockError('BLOCK_IO', 'the disk is gone', { device: 'memory' })
    device.before = ({ operation }) => {
      if (operation === 'write') throw broken
    }
    const running = reader.process(async (item) => {
      begun.push(item)
      await new Promise((resolve) => setTimeout(resolve, 5))
    })
    await expect(running).rejects.toBe(broken)
    expect(begun.length).toBeLessThan(4)
    device.before = () => undefined
    await reader.close()
    expect(await itemsOf(device)).toEqual(['a', 'b', 'c', 'd'])
  })
})

test('a dead letter of a device with a long name is stored', async () => {
  const device = await ringDevice(64, 512, `nbd://host/${'é'.repeat(300)}`)
  await using writer = await RingWriter.open(device)
  await writer.push(new Uint8Array(1))
  const dead = await otherRing()
  await using reader = await RingReader.open(device)
  const stop = new AbortController()
  const failed = (message: unknown): void => {
    if ((message as WorkEvent).event === 'retry') stop.abort()
  }
  subscribe('shared-block-ring:work', failed)
  const options = { deadLetter: dead, untilEmpty: true, signal: stop.signal }
  const summary = await reader.process((_, job) => job.dead('bad'), options)
  unsubscribe('shared-block-ring:work', failed)
  expect(summary).toMatchObject({ deadLettered: 1 })
  const [stored] = await collect((await inspectRing(dead)).items())
  const letter = await deadLetters.decode(stored?.item ?? new Uint8Array())
  expect(letter.ring).toBe(device.name)
})

test.each<[string, () => unknown]>([
  ['a promise', async () => 'a'],
  ['an object', () => ({})],
])('keyOf may not answer %s, which is another key each time', async (_, keyOf) => {
  const device = await filled(['a'])
  const running = drain(device, () => undefined, { keyOf: keyOf as () => string, attempts: 1 })
  await expect(running).rejects.toMatchObject({ code: 'WORK_GIVEN_UP' })
  expect(await itemsOf(device)).toEqual(['a'])
})

describe('closing the reader', () => {
  test.each<[string, Handler<string>]>([
    ['a handler is under way', () => new Promise(() => undefined)],
    [
      'an item waits for its next attempt',
      () => {
        throw new Error('later')
      },
    ],
  ])('ends it while %s', async (_, handler) => {
    const device = await filled(['a', 'b'])
    const reader = await open(device)
    const { opened: called, open: call } = gate()
    const running = reader.process(
      (...item) => {
        call()
        return handler(...item)
      },
      { untilEmpty: true, graceMs: 0 },
    )
    await called
    await reader.close()
    await expect(running).rejects.toMatchObject({ code: 'RING_CLOSED' })
    expect(await itemsOf(device)).toEqual(['a', 'b'])
  })

  test('before it calls no handler', async () => {
    const reader = await open(await filled(['a']))
    await reader.close()
    let calls = 0
    const running = reader.process(() => calls++, { untilEmpty: true })
    await expect(running).rejects.toMatchObject({ code: 'RING_CLOSED' })
    expect(calls).toBe(0)
  })
})

describe('misuse', () => {
  test('a second call at the same time', async () => {
    await using reader = await open(await filled([]))
    const stop = new AbortController()
    const first = reader.process(() => undefined, { signal: stop.signal })
    await expect(reader.process(() => undefined)).rejects.toThrow('processing already')
    stop.abort()
    await first
  })

  test.each<[object, typeof RangeError | typeof TypeError]>([
    [{ concurrency: 0 }, RangeError],
    [{ concurrency: 1.5 }, RangeError],
    [{ concurrency: '8' }, TypeError],
    [{ attempts: 0 }, RangeError],
    [{ backoff: { firstMs: -1 } }, RangeError],
    [{ backoff: { first: 1 } }, TypeError],
    [{ onUndecodable: 'deadLetter' }, RangeError],
    [{ deadLetter: {} }, TypeError],
    [{ requeueTo: {} }, TypeError],
    [{ attemptStore: {} }, TypeError],
    [{ retries: 3 }, TypeError],
  ])('options %o', async (options, kind) => {
    await using reader = await open(await filled(['a']))
    await expect(reader.process(() => undefined, options)).rejects.toBeInstanceOf(kind)
    expect((await reader.tryReceive())?.item).toBe('a')
  })
})
