import dc from 'node:diagnostics_channel'
import { type OpenMetricsContentType, Registry } from 'prom-client'
import { expect, onTestFinished, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { Journal } from '../../src/journal/index.ts'
import {
  exposition,
  Instruments,
  type InstrumentsOptions,
  type MetricFamily,
  registerMetrics,
} from '../../src/metrics/index.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

let rings = 0
function newDevice(): MemoryBlockDevice {
  return new MemoryBlockDevice({ sizeSectors: 1024, name: `instrumented-${++rings}` })
}

function instruments(options?: InstrumentsOptions): Instruments {
  const made = new Instruments(options)
  onTestFinished(() => made[Symbol.dispose]())
  return made
}

/** The samples of a device under a name, with the labels besides the handle's: as `label=value number`. */
function samplesOf(
  families: readonly MetricFamily[],
  name: string,
  of: string,
): readonly (string | number)[] {
  const family = families.find((one) => one.name === `shared_block_ring_${name}`)
  if (family === undefined) throw new Error(`there is no ${name}`)
  return family.samples
    .filter(({ labels }) => labels['device'] === of)
    .map(({ labels: { device, queue, client, ...more }, value }) => {
      const count =
        typeof value === 'number' ? value : value.counts.reduce((sum, one) => sum + one, 0)
      return [...Object.entries(more).map(([label, text]) => `${label}=${text}`), count].join(' ')
    })
}

/** A writer and handlers at work; some items fail. */
async function work(device: MemoryBlockDevice): Promise<void> {
  const names = { codec: text, queue: 'jobs', client: 'test' }
  await using writer = await RingWriter.open(device, { createIfMissing: true, ...names })
  await using reader = await RingReader.open(device, names)
  await writer.pushMany(['good', 'bad', 'fine'])
  await reader.process(
    (item) => {
      if (item === 'bad') throw new Error('no')
    },
    {
      ...{ attempts: 2, backoff: { firstMs: 1 }, untilEmpty: true },
      deadLetter: async () => undefined,
    },
  )
}

test('the work of a writer and a reader is counted', async () => {
  const device = newDevice()
  const counting = instruments()
  await work(device)
  const families = counting.families()
  const of = (name: string): readonly (string | number)[] => samplesOf(families, name, device.name)
  expect(of('writer_open')).toEqual(['0'])
  expect(of('writer_commits_total')).toEqual(['1'])
  expect(of('writer_items_total')).toEqual(['3'])
  expect(of('writer_bytes_total')).toEqual(['11'])
  expect(of('writer_push_seconds')).toEqual(['1'])
  expect(of('writer_blocked_total')).toEqual(['reason=full 0', 'reason=suspended 0'])
  // A writer that is closed has nothing that waits: that is unknown, and not 0.
  expect(of('writer_queued_bytes')).toEqual([])
  expect(of('reader_items_total')).toEqual(['3'])
  expect(of('reader_acknowledged_items_total')).toEqual(['3'])
  expect(of('reader_push_to_receipt_seconds')).toEqual(['3'])
  expect(of('handler_seconds')).toEqual(['outcome=ok 2', 'outcome=error 2'])
  expect(of('handler_items_total')).toEqual([
    ...['outcome=handled 2', 'outcome=dead_letter 1', 'outcome=requeued 0'],
    ...['outcome=skipped 0', 'outcome=overwritten 0'],
  ])
  expect(of('handler_retries_total')[0]).toBe('what=handler 1')
  const before = of('writer_items_total')
  counting[Symbol.dispose]()
  await work(device)
  expect(samplesOf(counting.families(), 'writer_items_total', device.name)).toEqual(before)
})

/** A clock that counts how often it is asked. */
class AskedClock extends FakeClock {
  asked = 0

  override now(): number {
    this.asked++
    return super.now()
  }

  override time(): number {
    this.asked++
    return super.time()
  }
}

/** How often the time is taken for items that are pushed, received and acknowledged together. */
async function timesTaken(items: number): Promise<number> {
  const [device, clock] = [newDevice(), new AskedClock()]
  await using writer = await RingWriter.open(device, { createIfMissing: true, codec: text, clock })
  await using reader = await RingReader.open(device, { codec: text, clock })
  const before = clock.asked
  await Promise.all(Array.from({ length: items }, () => writer.push('a')))
  const entries = await reader.receiveMany({ maxItems: items })
  expect(entries).toHaveLength(items)
  await reader.ackAll(entries)
  return clock.asked - before
}

test('the clock is read as often for a thousand items as for ten that share a commit', async () => {
  const counting = instruments()
  const few = await timesTaken(10)
  expect(few).toBeGreaterThan(4)
  expect(await timesTaken(1000)).toBe(few)
  const { value } =
    counting
      .families()
      .find(({ name }) => /commit_items$/.test(name))
      ?.samples.at(-1) ?? {}
  expect(value).toMatchObject({ sum: 1000 })
})

test('handles are distinguished however their names begin and end', () => {
  const counting = instruments()
  const channel = dc.channel('shared-block-ring:writer')
  for (const [device, queue] of [
    ['joined\0', 'q'],
    ['joined', '\0q'],
    ['joined', 'q'],
    ['joined', 'q'],
  ])
    channel.publish({ device, queue, client: 'c', event: 'woken', by: 'poll' })
  const open = counting.families().find(({ name }) => name.endsWith('writer_open'))
  expect(open?.samples).toHaveLength(3)
})

test('a journal is counted', async () => {
  const device = newDevice()
  const counting = instruments()
  let failures = 1
  await using journal = await Journal.open(
    device,
    async () => {
      if (failures-- > 0) throw new Error('not yet')
    },
    { queue: 'outbox', codec: text, backoff: { firstMs: 1 } },
  )
  await (await journal.push('a')).done
  const of = (name: string): readonly (string | number)[] =>
    samplesOf(counting.families(), name, device.name)
  expect(of('journal_operations_total')).toEqual(['journal=outbox 1'])
  expect(of('journal_retries_total')).toEqual([
    ...['journal=outbox what=perform 1', 'journal=outbox what=dead_letter 0'],
  ])
  expect(of('journal_perform_seconds')).toEqual(['journal=outbox 1'])
  expect(of('writer_items_total')).toEqual(['1'])
})

test('a histogram has each observation in one bucket', async () => {
  const counting = instruments()
  const names = { device: 'observed', queue: 'q', client: 'c', event: 'committed' }
  const commit = { ...names, items: 3, bytes: 3, position: 0n, queuedBytes: 0 }
  const channel = dc.channel('shared-block-ring:writer')
  const pushes = [0.05, 0.1, 0.2, 1000, 20_000, 100_000, -1].map((waitedMs) => ({
    count: 2,
    waitedMs,
  }))
  channel.publish({ ...commit, durationMs: 1, pushes })
  const printed = exposition(counting.families())
  const lines = printed.split('\n').filter((line) => line.includes('push_seconds'))
  const counts = lines.flatMap(
    (line) => /le="([^"]+)"\} (\d+)$/.exec(line)?.slice(1).join(' ') ?? [],
  )
  expect(counts).toEqual([
    ...['0.0001 6', '0.00025 8', '0.0005 8', '0.001 8', '0.0025 8', '0.005 8', '0.01 8'],
    ...[
      '0.025 8',
      '0.05 8',
      '0.1 8',
      '0.25 8',
      '0.5 8',
      '1 10',
      '2.5 10',
      '5 10',
      '10 10',
      '30 12',
    ],
    '+Inf 14',
  ])
  expect(lines.at(-1)).toMatch(/_count\{.*\} 14$/)
  expect(lines.at(-2)).toMatch(/_sum\{.*\} 242\.0007$/)
})

test('names are bounded and escaped', async () => {
  const counting = instruments({ maxHandles: 2 })
  const channel = dc.channel('shared-block-ring:writer')
  const event = { queue: 'q"}\n\x1b', client: 'c'.repeat(1000), event: 'overloaded', items: 1 }
  for (let number = 0; number < 50; number++)
    channel.publish({ ...event, device: `many-${number}` })
  const family = counting.families().find(({ name }) => name.endsWith('overloaded_items_total'))
  expect(family?.samples.map(({ labels, value }) => [labels['device'], value])).toEqual([
    ['many-0', 1],
    ['many-1', 1],
    ['other', 48],
  ])
  const [first] = family?.samples ?? []
  expect(first?.labels['queue']).toBe('q"}\\n\\x1b')
  expect(first?.labels['client']).toHaveLength(256)
  expect(exposition(counting.families())).toContain('queue="q\\"}\\\\n\\\\x1b"')
})

test('unknown options are refused', () => {
  expect(() => new Instruments({ ring: {} } as never)).toThrow(/no option ring/)
  expect(() => new Instruments({ maxHandles: 0 })).toThrow(/maxHandles/)
  expect(() => new Instruments({ rings: { a: {} as never } })).toThrow(/device/)
})

test('prom-client prints instruments and rings; a ring that fails hides no other', async () => {
  const [device, blank] = [newDevice(), newDevice()]
  const counting = instruments({ rings: { jobs: device, none: blank } })
  await work(device)
  const register = new Registry()
  const registered = registerMetrics(register, counting)
  expect(() => registerMetrics(register, counting)).toThrow(/already/)
  const printed = await register.metrics()
  const samples = (text: string): readonly string[] =>
    text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const own = exposition(await counting.collect())
  expect(new Set(samples(printed))).toEqual(new Set(samples(own)))
  expect(printed).toContain('shared_block_ring_up{device="jobs"} 1')
  expect(printed).toContain('shared_block_ring_up{device="none"} 0')
  expect(printed).toContain('shared_block_ring_waiting_items{device="jobs"} 0')
  expect(printed).toMatch(/^# TYPE shared_block_ring_writer_push_seconds histogram$/m)
  const json = await register.getMetricsAsJSON()
  expect(json.map(({ name }) => name)).toEqual(counting.descriptors().map(({ name }) => name))
  registered[Symbol.dispose]()
  expect(await register.metrics()).toBe('\n')
})

test('prom-client prints the instruments in the format of OpenMetrics', async () => {
  const counting = instruments()
  await work(newDevice())
  const register: Registry<OpenMetricsContentType> = new Registry()
  register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  registerMetrics(register, counting)
  const printed = await register.metrics()
  expect(printed).toMatch(/^# TYPE shared_block_ring_writer_items counter$/m)
  expect(printed).toMatch(/^shared_block_ring_writer_items_total\{/m)
  expect(printed).not.toContain('_total_total')
})

test('a scrape looks at each ring once', async () => {
  const device = newDevice()
  await work(device)
  let looks = 0
  const counted = new Proxy(device, {
    get: (target, name) => {
      if (name === 'getInfo') looks++
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const counting = instruments({ rings: { jobs: counted } })
  await counting.collect()
  const once = looks
  expect(once).toBeGreaterThan(0)
  looks = 0
  const register = new Registry()
  registerMetrics(register, counting)
  await register.metrics()
  expect(looks).toBe(once)
})
