import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { deadLetters } from '../../../src/codec/dead-letter.ts'
import { json, text } from '../../../src/codec/index.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import type {
  DeadLetter,
  Handler,
  ProcessOptions,
  WorkEvent,
} from '../../../src/ring/queue/process/types.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { collect } from '../../helpers/collect.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { ringDevice, smallRing } from '../../helpers/ring.ts'
import { drain, empty, filled, itemsOf, otherRing, published, revoked } from './scene.ts'

const decoder = new TextDecoder()

describe('a dead letter', () => {
  const dies: Handler<string> = (item, job) =>
    item === 'bad' ? job.giveUp('no such user') : undefined

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

  test.each(['device', 'writer'])('in a ring, by its %s, says what failed and why', async (by) => {
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

  test('holds the bytes of the ring, whatever the handler did to its copy', async () => {
    const device = await filled(['bad'])
    await using reader = await RingReader.open(device)
    const letters: string[] = []
    const handler: Handler<Uint8Array> = (item, job) => {
      item.fill(0)
      return job.giveUp('it is')
    }
    await reader.process(handler, {
      untilEmpty: true,
      deadLetter: async ({ bytes }) => void letters.push(decoder.decode(bytes)),
    })
    expect(letters).toEqual(['bad'])
  })

  test('that cannot be stored is tried again, and its handler is not', async () => {
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
      'failed',
      'retried',
      'retried',
      'retried',
      'deadLettered',
    ])
    expect(events[1]).toMatchObject({
      what: 'deadLetter',
      attempt: 1,
      error: { message: 'no room' },
    })
  })

  test('is stored together with others that fail at the same time, and releases the role', async () => {
    const names = Array.from({ length: 24 }, (_, index) => `bad ${index}`)
    const device = await filled(names)
    const dead = await smallRing()
    const failed: string[] = []
    const summary = await drain(device, (_, job) => job.giveUp('no such user'), {
      deadLetter: dead,
      concurrency: 8,
      onFailed: (_, { what }) => void failed.push(what),
    })
    expect(summary).toMatchObject({ deadLettered: 24 })
    expect(failed.filter((what) => what !== 'handler')).toEqual([])
    expect(await itemsOf(dead)).toHaveLength(24)
    await using free = await RingWriter.open(dead)
    expect(free.blocked).toBe(false)
  })

  test('is stored by another writer after one that failed', async () => {
    const device = await filled(['bad 1', 'bad 2', 'bad 3'])
    const dead = new HookedDevice(await smallRing())
    const failed: string[] = []
    let writes = 0
    dead.before = ({ operation }) => {
      if (operation === 'write' && ++writes === 3) throw new Error('the disk is on fire')
    }
    const summary = await drain(device, (_, job) => job.giveUp('no such user'), {
      deadLetter: dead,
      concurrency: 3,
      onFailed: (_, { what }) => void failed.push(what),
    })
    expect(summary).toMatchObject({ deadLettered: 3 })
    expect(failed).toContain('deadLetter')
    expect(new Set(await itemsOf(dead)).size).toBeGreaterThanOrEqual(3)
  })

  test('that its ring can never take ends processing, and the item stays', async () => {
    const large = 'x'.repeat(6000)
    const device = await filled([large])
    const dead = await smallRing(4096)
    const running = drain(device, (_, job) => job.giveUp('too large'), { deadLetter: dead })
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
      if ((message as WorkEvent).event === 'retried' && ++retries === 3) stop.abort()
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
        return item === 'bad' ? job.giveUp('is bad') : undefined
      },
      { deadLetter: dead, concurrency: 1 },
    )
    unsubscribe('shared-block-ring:work', listen)
    await emptied
    expect(seen).toEqual(['bad', 'good'])
    expect(summary).toMatchObject({ handled: 1, deadLettered: 1 })
    expect(events.find(({ event }) => event === 'retried')).toMatchObject({
      what: 'deadLetter',
      error: { message: expect.stringContaining('full') },
    })
    // Anybody can be its producer in the meantime.
    await (await RingWriter.open(dead)).close()
  })

  test('has a short reason where a long one does not fit', async () => {
    const device = await filled(['bad'])
    const dead = await otherRing()
    const dies = (_: string, job: Parameters<Handler<string>>[1]) => job.giveUp('x'.repeat(100_000))
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

  test('ends processing, after the items before it', async () => {
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
  ])('is recognised if the codec threw %s', async (_, thrown) => {
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

  test('is skipped if asked', async () => {
    const device = await broken()
    expect(await process(device, { onUndecodable: 'skip' })).toMatchObject({
      ...{ seen: ['a', 'c'], handled: 2, skipped: 1 },
    })
    expect(await itemsOf(device)).toEqual([])
  })

  test('becomes a dead letter without an attempt', async () => {
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

test('a dead letter of a device with a long name is stored', async () => {
  const device = await ringDevice(64, 512, `nbd://host/${'é'.repeat(300)}`)
  await using writer = await RingWriter.open(device)
  await writer.push(new Uint8Array(1))
  const dead = await otherRing()
  await using reader = await RingReader.open(device)
  const stop = new AbortController()
  const failed = (message: unknown): void => {
    if ((message as WorkEvent).event === 'retried') stop.abort()
  }
  subscribe('shared-block-ring:work', failed)
  const options = { deadLetter: dead, untilEmpty: true, signal: stop.signal }
  const summary = await reader.process((_, job) => job.giveUp('bad'), options)
  unsubscribe('shared-block-ring:work', failed)
  expect(summary).toMatchObject({ deadLettered: 1 })
  const [stored] = await collect((await inspectRing(dead)).items())
  const letter = await deadLetters.decode(stored?.item ?? new Uint8Array())
  expect(letter.ring).toBe(device.name)
})
