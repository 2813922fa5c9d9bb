// As options.test.ts, for the methods of what those calls answer.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type BlockDevice, MemoryBlockDevice } from '../../src/block/index.ts'
import { type FanIn, Group, partitioned, receiveFrom, tee } from '../../src/fan/index.ts'
import { type Job, RingReader, RingWriter } from '../../src/index.ts'
import { Journal } from '../../src/journal/index.ts'
import { Pool } from '../../src/pool/index.ts'
import { parsePosition } from '../../src/ring/shared/position-text.ts'
import { inspectRing } from '../../src/tools.ts'
import type { RingConnection } from '../../src/worker/index.ts'
import { TestWorker } from '../worker/worker.ts'

const ITEM = new Uint8Array([1])
const step = (): void => undefined
const sector = (): Uint8Array => new Uint8Array(512)
const keyOf = (): string => 'key'

type Use<Handle> = (handle: Handle) => unknown

async function withDevice(use: Use<BlockDevice>): Promise<unknown> {
  await using device = new MemoryBlockDevice({ sizeSectors: 8192 })
  return await use(device)
}

const withWriter = (use: Use<RingWriter>): Promise<unknown> =>
  withDevice(async (device) => {
    await using writer = await RingWriter.open(device, { createIfMissing: true })
    return await use(writer)
  })

const withReader = (use: Use<RingReader>): Promise<unknown> =>
  withDevice(async (device) => {
    await using writer = await RingWriter.open(device, { createIfMissing: true })
    await writer.push(ITEM)
    await using reader = await RingReader.open(device)
    return await use(reader)
  })

const withFanIn = (use: Use<FanIn<Uint8Array>>): Promise<unknown> =>
  withReader(async (reader) => {
    await using fan = receiveFrom([reader])
    return await use(fan)
  })

const withGroup = (use: Use<Group<Uint8Array>>): Promise<unknown> =>
  withDevice(async (device) => {
    const writer = await RingWriter.open(device, { createIfMissing: true })
    await writer.close()
    await using group = await Group.open([device])
    return await use(group)
  })

const withJournal = (use: Use<Journal>): Promise<unknown> =>
  withDevice(async (device) => {
    await using journal = await Journal.open(device, async () => undefined)
    return await use(journal)
  })

const withPool = (use: Use<Pool>): Promise<unknown> =>
  withDevice(async (device) => {
    await Pool.create(device)
    const pool = await Pool.open(device)
    await pool.add('ring', { sizeBytes: 1 << 20 })
    return await use(pool)
  })

async function withConnection(use: Use<RingConnection>): Promise<unknown> {
  await using worker = new TestWorker()
  await using connection = await worker.page()
  return await use(connection)
}

/** What a handler's call threw: the handler's failure is `process`'s own business. */
const withJob = (use: Use<Job>): Promise<unknown> =>
  withReader(async (reader) => {
    const stop = new AbortController()
    let thrown: unknown
    await reader.process(
      (_, job) => {
        try {
          use(job)
        } catch (error) {
          thrown = error
        }
        stop.abort()
      },
      { signal: stop.signal },
    )
    if (thrown !== undefined) throw thrown
  })

/** Each method that takes options, with these. */
const METHODS: Readonly<Record<string, (options: never) => Promise<unknown>>> = {
  'BlockDevice.ask': (options) => withDevice((device) => device.ask('producer', 'hello', options)),
  'BlockDevice.claim': (options) => withDevice((device) => device.claim('producer', options)),
  'BlockDevice.discard': (options) => withDevice((device) => device.discard(0, 1, options)),
  'BlockDevice.flush': (options) => withDevice((device) => device.flush(options)),
  'BlockDevice.holderOf': (options) => withDevice((device) => device.holderOf('producer', options)),
  'BlockDevice.read': (options) => withDevice((device) => device.read(0, [sector()], options)),
  'BlockDevice.write': (options) => withDevice((device) => device.write(0, [sector()], options)),
  'BlockDevice.writeZeroes': (options) => withDevice((device) => device.writeZeroes(0, 1, options)),
  'Consumer.popMany': (options) => withReader(({ consumer }) => consumer.popMany(options)),
  'FanIn.entries': (options) => withFanIn((fan) => fan.entries(options).next()),
  'FanIn.process': (options) => withFanIn((fan) => fan.process(step, options)),
  'FanIn.receive': (options) => withFanIn((fan) => fan.receive(options)),
  'FanIn.receiveMany': (options) => withFanIn((fan) => fan.receiveMany(options)),
  'FanIn.tryReceiveMany': (options) => withFanIn((fan) => fan.tryReceiveMany(options)),
  'Group.entries': (options) => withGroup((group) => group.entries(options).next()),
  'Group.process': (options) => withGroup((group) => group.process(step, options)),
  'Group.receive': (options) => withGroup((group) => group.receive(options)),
  'Group.receiveMany': (options) => withGroup((group) => group.receiveMany(options)),
  'Group.tryReceiveMany': (options) => withGroup((group) => group.tryReceiveMany(options)),
  'Job.retry': (options) => withJob((job) => job.retry(options)),
  'Journal.push': (options) => withJournal((journal) => journal.push(ITEM, options)),
  'Journal.sync': (options) => withJournal((journal) => journal.sync(options)),
  'PartitionedWriter.push': (options) =>
    withWriter((writer) => partitioned([writer], keyOf).push(ITEM, options)),
  'PartitionedWriter.pushMany': (options) =>
    withWriter((writer) => partitioned([writer], keyOf).pushMany([], options)),
  'Pool.add': (options) => withPool((pool) => pool.add('more', options)),
  'Pool.remove': (options) => withPool((pool) => pool.remove('ring', options)),
  'Producer.advance': (options) =>
    withWriter(({ producer }) => producer.advance(producer.position, options)),
  'Producer.append': (options) => withWriter(({ producer }) => producer.append([], options)),
  'Producer.push': (options) => withWriter(({ producer }) => producer.push(ITEM, options)),
  'Producer.pushMany': (options) => withWriter(({ producer }) => producer.pushMany([], options)),
  'Receipt.sync': (options) =>
    withJournal(async (journal) => (await journal.push(ITEM)).sync(options)),
  'RingConnection.entries': (options) => withConnection((ring) => ring.entries(options).next()),
  'RingConnection.push': (options) => withConnection((ring) => ring.push(ITEM, options)),
  'RingConnection.pushMany': (options) => withConnection((ring) => ring.pushMany([], options)),
  'RingConnection.receive': (options) => withConnection((ring) => ring.receive(options)),
  'RingConnection.receiveMany': (options) => withConnection((ring) => ring.receiveMany(options)),
  'RingConnection.seek': (options) =>
    withConnection((ring) => ring.seek(parsePosition('1:1'), options)),
  'RingConnection.status': (options) => withConnection((ring) => ring.status(options)),
  'RingFollower.read': (options) =>
    withReader(async ({ consumer: { device } }) => {
      const inspection = await inspectRing(device)
      return await inspection.follow().read(options)
    }),
  'RingReader.entries': (options) => withReader((reader) => reader.entries(options).next()),
  'RingReader.flush': (options) => withReader((reader) => reader.flush(options)),
  'RingReader.process': (options) => withReader((reader) => reader.process(step, options)),
  'RingReader.receive': (options) => withReader((reader) => reader.receive(options)),
  'RingReader.receiveMany': (options) => withReader((reader) => reader.receiveMany(options)),
  'RingReader.resume': (options) => withReader((reader) => reader.resume(options)),
  'RingReader.rewind': (options) => withReader((reader) => reader.rewind(options)),
  'RingReader.seek': (options) => withReader((reader) => reader.seek(reader.position, options)),
  'RingReader.suspend': (options) => withReader((reader) => reader.suspend(options)),
  'RingReader.tryReceiveMany': (options) => withReader((reader) => reader.tryReceiveMany(options)),
  'RingWriter.push': (options) => withWriter((writer) => writer.push(ITEM, options)),
  'RingWriter.pushEncoded': (options) => withWriter((writer) => writer.pushEncoded(ITEM, options)),
  'RingWriter.pushMany': (options) => withWriter((writer) => writer.pushMany([], options)),
  'Tee.push': (options) => withWriter((writer) => tee([writer]).push(ITEM, options)),
  'Tee.pushMany': (options) => withWriter((writer) => tee([writer]).pushMany([], options)),
}

/** What has methods with options that it hands on, or that somebody else wrote. */
const ELSEWHERE = /^(Clock|TraceTracer|LocalClaims|(?!BlockDevice\b)\w+Device|DevicePart)\./

/** The methods in the reports of the public interface that take options, but for those that options.test.ts has. */
function methodsInReports(): readonly string[] {
  const reports = new URL('api/', import.meta.url)
  const methods = new Set<string>()
  for (const report of readdirSync(reports)) {
    if (['sim.txt', 'conformance.txt'].includes(report)) continue
    let section = ''
    for (const line of readFileSync(new URL(report, reports), 'utf8').split('\n')) {
      section = /^# (\w+)/.exec(line)?.[1] ?? section
      const [, name] = /^ {4}(\w+)\(.*?Options\b/.exec(line) ?? []
      const method = `${section}.${name}`
      if (name === undefined || ['constructor', 'create', 'attach'].includes(name)) continue
      if (!ELSEWHERE.test(method)) methods.add(method)
    }
  }
  return [...methods].toSorted()
}

test('every method that takes options is in this table', () => {
  expect(methodsInReports()).toEqual(Object.keys(METHODS).toSorted())
})

/**
 * Of these, another method that they call refuses the options: an item is pushed by the writer, and `entries` receives.
 */
const REFUSED_BY: Readonly<Record<string, string>> = {
  'FanIn.entries': 'FanIn.receive',
  'Group.entries': 'FanIn.receive',
  'FanIn.process': 'RingReader.process',
  'Group.process': 'RingReader.process',
  'Group.receive': 'FanIn.receive',
  'Group.receiveMany': 'FanIn.receiveMany',
  'Group.tryReceiveMany': 'FanIn.tryReceiveMany',
  'Journal.push': 'RingWriter.push',
  'Producer.push': 'Producer.pushMany',
  'RingConnection.entries': 'RingConnection.receive',
  'RingConnection.push': 'RingConnection.pushMany',
  'RingReader.entries': 'RingReader.receive',
  'RingReader.rewind': 'RingReader.seek',
}

describe.each(Object.entries(METHODS))('%s', (name, method) => {
  test('refuses an option that it does not have', async () => {
    const error = await method({ misspelt: 5 } as never).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TypeError)
    const { message } = error as TypeError
    const called = (REFUSED_BY[name] ?? name).replace('BlockDevice.', '')
    expect(message.startsWith(`${called} has no option misspelt; it has `), message).toBe(true)
  })

  test('refuses values that are no options', async () => {
    const error = await method('fast' as never).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TypeError)
    expect((error as TypeError).message).toContain('takes an object with options, not fast')
  })
})

test.each([
  ['a signal', AbortSignal.abort()],
  ['a controller', new AbortController()],
])('refuses %s in place of the options', async (_, given) => {
  const refusal = 'RingReader.receive takes { signal }, not a signal or its controller'
  await withReader(async (reader) => {
    await expect(reader.receive(given as never)).rejects.toThrow(new TypeError(refusal))
  })
})

test('refuses a controller in place of its signal, and says so', async () => {
  const given = { signal: new AbortController() } as never
  await withReader(async (reader) => {
    await expect(reader.receive(given)).rejects.toThrow(
      new TypeError('RingReader.receive: option signal is an AbortSignal, not an object'),
    )
  })
})
