import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Journal } from '../../src/journal/journal.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import type { PollOptions } from '../../src/ring/queue/poll.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import type { ReaderOptions } from '../../src/ring/queue/reader-options.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import type { WriterOptions } from '../../src/ring/queue/writer-options.ts'
import type { AttachOptions, CreateOptions } from '../../src/ring/types.ts'
import { deviceBytes } from '../helpers/golden.ts'

const OPENS = {
  'RingWriter.open': (device: never, options: never) => RingWriter.open(device, options),
  'RingReader.open': (device: never, options: never) => RingReader.open(device, options),
  'Journal.open': (device: never, options: never) =>
    Journal.open(device, async () => undefined, options),
} as const

function blank(): MemoryBlockDevice {
  return new MemoryBlockDevice({ sizeSectors: 2048 })
}

describe.each(Object.entries(OPENS))('%s', (name, open) => {
  const WRONG: readonly (readonly [string, unknown, string])[] = [
    ['a misspelt option', { createIfMising: true }, 'has no option createIfMising'],
    ['a function of the prototype', { toString: 1 }, 'has no option toString'],
    ['another type', { clock: 5 }, 'option clock is an object, not 5'],
    ['null', { signal: null }, 'option signal is an AbortSignal, not null'],
    ['no options at all', 'fast', 'takes an object with options, not fast'],
    [
      'a misspelt option of the ring',
      { createIfMissing: { blocksize: 512 } },
      'no option blocksize',
    ],
    [
      'a value that is none',
      { createIfMissing: { onFull: 'retry' } },
      'option onFull is "wait" or "overwrite", not "retry"',
    ],
  ]

  test.each(WRONG)('refuses %s, and writes nothing', async (_, options, message) => {
    const device = blank()
    const before = await deviceBytes(device)
    const opening = open(device as never, options as never)
    await expect(opening).rejects.toThrow(TypeError)
    await expect(opening).rejects.toThrow(message)
    expect(await deviceBytes(device)).toEqual(before)
  })

  test('takes undefined for an option that is absent', async () => {
    const options = { createIfMissing: true, clock: undefined }
    const opened = await open(blank() as never, options as never)
    await opened.close()
  })

  test.each(['ring.img', undefined, null, {}])('refuses what is no device: %s', async (device) => {
    const opening = open(device as never, {} as never)
    await expect(opening).rejects.toThrow(`${name} takes a block device`)
  })

  test.each<readonly [string, CreateOptions]>([
    ['blockSize', { blockSize: 512 }],
    ['name', { name: 'other' }],
    ['format', { format: 1 }],
  ])('refuses a ring that was created with another %s', async (field, options) => {
    const device = blank()
    await Producer.create(device, { blockSize: 4096, name: 'jobs' })
    const before = await deviceBytes(device)
    await expect(
      open(device as never, { createIfMissing: options } as never),
    ).rejects.toMatchObject({ code: 'RING_OTHER_OPTIONS', details: { field } })
    expect(await deviceBytes(device)).toEqual(before)
  })

  test('opens a ring that is as the options say', async () => {
    const device = blank()
    await Producer.create(device, { blockSize: 512, name: 'jobs', onFull: 'wait' })
    const wanted = { format: 2, blockSize: 512, name: 'jobs', onFull: 'wait' }
    const opened = await open(device as never, { createIfMissing: wanted } as never)
    await opened.close()
  })
})

const NUMBER = [Number.NaN, '5', null] as const
const LEAST_1 = [...NUMBER, 0, -1] as const
const NAMES = [5, 'a\0b'] as const
const CREATE = [
  'yes',
  { blocksize: 512 },
  { blockSize: 513 },
  { blockSize: Number.NaN },
  { format: 3 },
  { format: 1, onFull: 'overwrite' },
  { onFull: 'retry' },
  { name: 'n'.repeat(257) },
  { uuid: new Uint8Array(15) },
  { eraseOther: true },
]
const LEASES = [
  5,
  {},
  { owner: '-rf' },
  { owner: 'a', timeoutMs: 4999 },
  { owner: 'a', timeoutMs: Number.NaN },
  { owner: 'a', unfenced: true, fence: async () => undefined },
  { owner: 'a', unfence: true },
]

/** Values that each option of both ends refuses. */
const ATTACH: Readonly<Record<keyof AttachOptions | keyof PollOptions, readonly unknown[]>> = {
  queue: NAMES,
  client: NAMES,
  clock: [5],
  signal: [5],
  refreshIntervalMs: [...NUMBER, -1],
  maxItemBytes: [...NUMBER, -1, 1.5],
  lease: LEASES,
  maxPollMs: LEAST_1,
}

const OF_A_WRITER: Readonly<Record<keyof WriterOptions<never>, readonly unknown[]>> = {
  ...ATTACH,
  codec: ['text'],
  createIfMissing: CREATE,
  maxQueuedItems: LEAST_1,
  maxQueuedBytes: LEAST_1,
  idleRefreshIntervalMs: LEAST_1,
  onBlocked: ['call'],
}

const OF_A_READER: Readonly<Record<keyof ReaderOptions<never>, readonly unknown[]>> = {
  ...ATTACH,
  codec: ['text'],
  createIfMissing: CREATE,
  // A ring that is created is not waited for.
  waitForRing: [1, true],
  lazyAck: [1, { call: 5 }, { maxCalls: 0 }, { maxDelayMs: 0 }, { maxDelayMs: Number.NaN }],
  maxUnacked: LEAST_1,
  onHeld: ['call'],
  onDamage: ['Skip'],
  answerRequests: [1],
}

const LIMITS = { maxQueuedItems: LEAST_1, maxQueuedBytes: LEAST_1, maxPollMs: LEAST_1 }
const OF_A_JOURNAL = { ...LIMITS, createIfMissing: [...CREATE, { onFull: 'overwrite' }] }

const REFUSED = Object.entries({
  'RingWriter.open': OF_A_WRITER,
  'RingReader.open': OF_A_READER,
  'Journal.open': OF_A_JOURNAL,
} satisfies Record<keyof typeof OPENS, object>).flatMap(([name, options]) =>
  Object.entries(options).flatMap(([option, values]) =>
    values.map((value) => [name as keyof typeof OPENS, option, value] as const),
  ),
)

test.each(REFUSED)(
  '%s refuses %s: %o, and asks nothing of the device',
  async (name, option, value) => {
    const called: unknown[] = []
    const device = new Proxy(blank(), {
      get(target, key) {
        const found: unknown = Reflect.get(target, key)
        if (typeof found !== 'function') return found
        return (...given: unknown[]) => {
          called.push(key)
          return found.apply(target, given)
        }
      },
    })
    const options = { createIfMissing: true, [option]: value }
    const error = await OPENS[name](device as never, options as never).catch((e: unknown) => e)
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect(called).toEqual([])
  },
)

test('the reader may be first', async () => {
  const device = blank()
  await using reader = await RingReader.open(device, { createIfMissing: true })
  await using writer = await RingWriter.open(device, { createIfMissing: true })
  await writer.push(new Uint8Array([7]))
  expect((await reader.receive()).item).toEqual(new Uint8Array([7]))
})

test('a reader refuses a damage policy that is none', async () => {
  const device = blank()
  await Producer.create(device)
  const options = { onDamage: 'Skip' as 'skip' }
  await expect(RingReader.open(device, options)).rejects.toThrow('"stop" or "skip", not "Skip"')
})
