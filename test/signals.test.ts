import { getEventListeners } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BlockDevice } from '../src/block/device.ts'
import { FileBlockDevice } from '../src/block/file/index.ts'
import { MemoryBlockDevice } from '../src/block/index.ts'
import { compare, copy, erase, fill, fold, foldMapped, sparseCopy } from '../src/block/ops/index.ts'
import { systemClock } from '../src/clock.ts'
import type { Codec } from '../src/codec/codec.ts'
import { bytes } from '../src/codec/index.ts'
import { Group, partitioned, receiveFrom, repartition, tee } from '../src/fan/index.ts'
import { Consumer, type LeaseOptions, Producer, RingReader, RingWriter } from '../src/index.ts'
import { Journal } from '../src/journal/index.ts'
import { collect } from '../src/metrics/index.ts'
import { surveyRing } from '../src/metrics/survey.ts'
import { Surveyor } from '../src/metrics/surveyor.ts'
import { Pool } from '../src/pool/index.ts'
import { pipeTo } from '../src/streams/web.ts'
import {
  dumpAt,
  inspectRing,
  migrateRing,
  repairRing,
  resumeRing,
  suspendRing,
  verifyRing,
} from '../src/tools.ts'
import { FakeClock } from './helpers/fake-clock.ts'
import { HookedDevice } from './helpers/hooked.ts'

const ITEM = new Uint8Array(1)
const newDevice = (): MemoryBlockDevice => new MemoryBlockDevice({ sizeSectors: 1024 })
const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length
const wait = (ms = 5): Promise<void> => systemClock.sleep(ms)

/** A codec that takes its time, and cannot do with an empty item. */
const slow: Codec<Uint8Array> = {
  name: 'slow',
  encode: async (item) => {
    await wait()
    if (item.length === 0) throw new TypeError('empty')
    return item
  },
  decode: async (item) => {
    await wait()
    return item
  },
}

/** Waits for a call, and does what ends its waiting. */
async function both(called: Promise<unknown>, end: () => Promise<unknown>): Promise<void> {
  const ended = wait().then(end)
  await called.finally(() => ended)
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbr-signals-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A call that has to fail. */
async function refused(called: Promise<unknown>): Promise<void> {
  await expect(called).rejects.toThrow()
}

/** Listeners are counted as soon as the call has settled, before anything is closed. */
async function counted<T>(signal: AbortSignal, called: Promise<T>): Promise<T> {
  const count = (): void => expect(listenersOf(signal)).toBe(0)
  return called.finally(count)
}

/** A ring with both ends, for one call. */
async function withRing(
  signal: AbortSignal,
  use: (ring: {
    readonly device: MemoryBlockDevice
    readonly writer: RingWriter
    readonly reader: RingReader
  }) => Promise<unknown>,
  codec: Codec<Uint8Array> = bytes,
): Promise<void> {
  const device = newDevice()
  await using writer = await RingWriter.open(device, { createIfMissing: true, codec })
  await using reader = await RingReader.open(device, { codec })
  await counted(signal, use({ device, writer, reader }))
}

async function withJournal(
  signal: AbortSignal,
  use: (journal: Journal) => Promise<unknown>,
): Promise<void> {
  await using journal = await Journal.open(newDevice(), async () => wait(), {
    performIntervalMs: 1,
  })
  await counted(signal, use(journal))
}

async function newRing(): Promise<MemoryBlockDevice> {
  const device = newDevice()
  await Producer.create(device)
  return device
}

/** Attaches a consumer with a lease. */
async function attachLeased(
  at: BlockDevice,
  lease: LeaseOptions,
  clock: FakeClock,
  signal?: AbortSignal,
): Promise<Consumer> {
  return await passing(clock, Consumer.attach(at, { lease, clock, ...(signal && { signal }) }))
}

/** What becomes of something, by a clock that goes on until then. */
async function passing<T>(clock: FakeClock, attached: Promise<T>): Promise<T> {
  for (let settled = false; !settled; await clock.advance(1000)) {
    const settle = (): void => {
      settled = true
    }
    attached.then(settle, settle)
    await clock.settle()
  }
  return attached
}

/** Pushes until there is no room. */
async function fillUp(writer: RingWriter): Promise<void> {
  while ((await writer.tryPush(new Uint8Array(4000))).status === 'ok');
}

/** What takes a signal, by the file that says so, and how each of it is called. Each call ends without the signal. */
const calls: Readonly<
  Record<string, Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>>>
> = {
  'util/waiting.ts': {
    'RingWriter.open': async (signal) => {
      await (await RingWriter.open(newDevice(), { createIfMissing: true, signal })).close()
    },
    'RingWriter.open, suspended': async (signal) => {
      const device = await newRing()
      await using reader = await RingReader.open(device)
      await reader.consumer.suspend()
      await both(
        RingWriter.open(device, { signal }).then((writer) => writer.close()),
        () => reader.resume({ signal }),
      )
    },
    'RingWriter.open, no ring': (signal) => refused(RingWriter.open(newDevice(), { signal })),
    push: (signal) => withRing(signal, ({ writer }) => writer.push(ITEM, { signal })),
    'push, many at once': (signal) =>
      withRing(signal, ({ writer }) =>
        Promise.all(Array.from({ length: 20 }, () => writer.push(ITEM, { signal }))),
      ),
    'push, a slow codec': (signal) =>
      withRing(signal, ({ writer }) => writer.push(ITEM, { signal }), slow),
    'push, a codec that fails': (signal) =>
      withRing(signal, ({ writer }) => refused(writer.push(new Uint8Array(0), { signal })), slow),
    'push, too large': (signal) =>
      withRing(signal, ({ writer }) => refused(writer.push(new Uint8Array(1 << 20), { signal }))),
    'push, a full ring': (signal) =>
      withRing(signal, async ({ writer, reader }) => {
        await fillUp(writer)
        await both(writer.push(new Uint8Array(4000), { signal }), async () => {
          const last = (await reader.receiveMany()).at(-1)
          if (last !== undefined) await reader.ackThrough(last)
        })
      }),
    'push, closed meanwhile': (signal) =>
      withRing(signal, async ({ writer }) => {
        await fillUp(writer)
        await both(refused(writer.push(new Uint8Array(4000), { signal })), () => writer.close())
      }),
    pushMany: (signal) =>
      withRing(signal, ({ writer }) => writer.pushMany([ITEM, ITEM], { signal })),
    next: (signal) =>
      withRing(signal, async ({ writer, reader }) => {
        await writer.push(ITEM)
        await reader.receive({ signal })
      }),
    'next, waiting': (signal) =>
      withRing(signal, ({ writer, reader }) =>
        both(reader.receive({ signal }), () => writer.push(ITEM)),
      ),
    'next, closed meanwhile': (signal) =>
      withRing(signal, ({ reader }) =>
        both(refused(reader.receive({ signal })), () => reader.close()),
      ),
    'receiveMany, a slow codec': (signal) =>
      withRing(
        signal,
        async ({ writer, reader }) => {
          await writer.pushMany([ITEM, ITEM])
          await Promise.all([
            reader.receiveMany({ signal, maxItems: 1 }),
            reader.receiveMany({ signal }),
          ])
        },
        slow,
      ),
    entries: (signal) =>
      withRing(signal, async ({ writer, reader }) => {
        await writer.push(ITEM)
        for await (const entry of reader.entries({ signal })) {
          await entry.ack()
          break
        }
      }),
    'suspend and resume': (signal) =>
      withRing(signal, async ({ reader }) => {
        await reader.suspend({ signal })
        await reader.resume({ signal })
      }),
    'receive of a fan-in, waiting': (signal) =>
      withRing(signal, async ({ writer, reader }) => {
        const fan = receiveFrom([reader])
        await both(fan.receive({ signal }), () => writer.push(ITEM))
      }),
    'receive of a group, waiting': (signal) =>
      withRing(signal, async ({ device, writer, reader }) => {
        await reader.close()
        await using group = await Group.open([device], { checkIntervalMs: 5 })
        await both(group.receive({ signal }), () => writer.push(ITEM))
      }),
    'push of a tee that may drop, and of partitions': (signal) =>
      withRing(signal, async ({ writer }) => {
        const onDropped = (): void => undefined
        await tee([{ writer, onSlow: 'drop' }], { onDropped }).push(ITEM, { signal })
        await partitioned([writer], () => 'key').pushMany([ITEM], { signal })
      }),
    'pipeTo a stream that ends': (signal) =>
      withRing(signal, async ({ writer, reader }) => {
        await writer.pushMany([ITEM, ITEM])
        const sink = new WritableStream({
          write: (_, controller) => controller.error(new Error('over')),
        })
        await refused(pipeTo(reader, sink, { signal }))
      }),
    'Journal.push': (signal) => withJournal(signal, (journal) => journal.push(ITEM, { signal })),
    'Journal.sync': (signal) =>
      withJournal(signal, async (journal) => {
        await journal.push(ITEM)
        await journal.sync({ signal })
      }),
    'Receipt.sync, many at once': (signal) =>
      withJournal(signal, async (journal) => {
        const receipts = await Promise.all(Array.from({ length: 20 }, () => journal.push(ITEM)))
        await Promise.all(receipts.map((receipt) => receipt.sync({ signal })))
      }),
    'Receipt.sync, shut down meanwhile': (signal) =>
      withJournal(signal, async (journal) => {
        const receipt = await journal.push(ITEM)
        await Promise.all([journal.close(), refused(receipt.sync({ signal }))])
      }),
  },
  'fan/repartition.ts': {
    repartition: async (signal) =>
      repartition([await newRing()], [await newRing()], () => 'key', { signal }),
  },
  'metrics/surveyor.ts': {
    'Looks.at': async (signal) => {
      const device = await newRing()
      const ring = {
        device: 'ring',
        survey: (over: AbortSignal) => surveyRing(device, 'ring', over),
      }
      const patience = { ms: 1000, inAll: true, tooLate: () => new Error('late') }
      await new Surveyor(signal).surveyAll([ring], patience)
    },
  },
  'metrics/rings.ts': {
    collect: async (signal) => collect(await newRing(), { signal }),
  },
  'ring/maintenance/migrate.ts': {
    migrateRing: async (signal) => migrateRing(await newRing(), await newRing(), { signal }),
  },
  'ring/types.ts': {
    'suspendRing and resumeRing': async (signal) => {
      const device = newDevice()
      await using _writer = await RingWriter.open(device, {
        createIfMissing: true,
        idleRefreshIntervalMs: 1,
      })
      await suspendRing(device, { signal })
      await resumeRing(device, { signal })
    },
    'Producer.attach': async (signal) => {
      const attached = await Producer.attach(await newRing(), { signal })
      if (attached.status === 'attached') await attached.producer.close()
    },
    'Consumer.attach': async (signal) =>
      (await Consumer.attach(await newRing(), { signal })).close(),
    'Consumer.attach, with a lease that is free': async (signal) => {
      const lease = { owner: 'here', timeoutMs: 5000 }
      await (await attachLeased(await newRing(), lease, new FakeClock(), signal)).close()
    },
    'Consumer.attach, with a lease that another host renews': async (signal) => {
      const device = await newRing()
      const [one, other] = [0, 1].map(() => new HookedDevice(device, { claims: false }))
      if (one === undefined || other === undefined) return
      const clock = new FakeClock()
      const fence = async (): Promise<void> => undefined
      const holder = await attachLeased(other, { owner: 'there', timeoutMs: 5000, fence }, clock)
      const lease = { owner: 'here', timeoutMs: 5000, fence }
      await refused(attachLeased(one, lease, clock, signal))
      await holder.close()
    },
  },
  'ring/inspection.ts': {
    inspectRing: async (signal) => inspectRing(await newRing(), { signal }),
  },
  'pool/types.ts': {
    'Pool.add and Pool.remove, with a lease': async (signal) => {
      const device = new MemoryBlockDevice({ sizeSectors: 16_384 })
      await Pool.create(device)
      const clock = new FakeClock()
      const lease = { owner: 'here', timeoutMs: 5000 }
      const pool = await Pool.open(device, { lease, clock, signal })
      await passing(clock, pool.add('ring', { sizeBytes: 1 << 20 }))
      await passing(clock, pool.remove('ring'))
    },
  },
  'ring/format2/log/consumer-log.ts': {
    'inspectRing.items': async (signal) => {
      const { items } = await inspectRing(await newRing(), { signal })
      for await (const _ of items());
    },
  },
  'ring/format2/log/log-reader.ts': {
    'Consumer.popMany': async (signal) => {
      await using consumer = await Consumer.attach(await newRing())
      await consumer.popMany({ signal })
    },
  },
  'ring/report/finding.ts': {
    verifyRing: async (signal) => verifyRing(await newRing(), { signal }),
    repairRing: async (signal) => repairRing(await newRing(), { signal }),
  },
  'ring/report/dump.ts': {
    dumpAt: async (signal) => dumpAt(await newRing(), 16384, { signal }),
  },
  'ring/queue/process/types.ts': {
    'RingReader.process': async (signal) => {
      await using reader = await RingReader.open(await newRing())
      await reader.process(() => undefined, { untilEmpty: true, signal })
    },
  },
  'journal/types.ts': {
    'Journal.open': async (signal) =>
      (await Journal.open(newDevice(), async () => undefined, { signal })).close(),
    'Journal.open, twenty at once': async (signal) => {
      const start = (): Promise<Journal> =>
        Journal.open(newDevice(), async () => undefined, { signal })
      const journals = await Promise.all(Array.from({ length: 20 }, start))
      await Promise.all(journals.map((journal) => journal.close()))
    },
  },
  'block/file/io/fill.ts': {
    'FileBlockDevice.create': async (signal) => {
      const path = join(folder, 'made')
      await (await FileBlockDevice.create(path, { sizeBytes: 1 << 20, signal })).disconnect()
    },
  },
  'block/ops/options.ts': {
    copy: (signal) => copy(newDevice(), newDevice(), { signal }),
    sparseCopy: (signal) => sparseCopy(newDevice(), newDevice(), { signal }),
    compare: (signal) => compare(newDevice(), newDevice(), { signal }),
    fill: (signal) => fill(newDevice(), { seed: 1, signal }),
    erase: (signal) => erase(newDevice(), { signal }),
    fold: (signal) => fold(newDevice(), 0, (pieces) => pieces + 1, { signal }),
    foldMapped: (signal) => foldMapped(newDevice(), 0, (pieces) => pieces + 1, { signal }),
  },
  'clock.ts': {
    sleep: (signal) => systemClock.sleep(1, signal),
  },
}

const table = Object.values(calls).flatMap(
  Object.entries<(signal: AbortSignal) => Promise<unknown>>,
)

test.each(table)('%s leaves no listener on the signal', async (_, call) => {
  const { signal } = new AbortController()
  let most = 0
  const watching = setInterval(() => {
    most = Math.max(most, listenersOf(signal))
  }, 1)
  await call(signal)
  clearInterval(watching)
  expect(listenersOf(signal)).toBe(0)
  expect(most).toBeLessThanOrEqual(1)
})

test.each(table)('%s leaves no listener on a signal that is aborted meanwhile', async (_, call) => {
  const abort = new AbortController()
  const called = call(abort.signal).catch(() => undefined)
  setImmediate(() => abort.abort())
  await called
  expect(listenersOf(abort.signal)).toBe(0)
})

test('every call that takes a signal is in this table', () => {
  const source = fileURLToPath(new URL('../src/', import.meta.url))
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  const takes = /^ {2}(readonly signal\?: AbortSignal$|\w+\(.*signal\?: AbortSignal)/m
  const found = files.filter(
    (file) =>
      file.endsWith('.ts') &&
      !/^(cli|sim)\//.test(file) &&
      takes.test(readFileSync(join(source, file), 'utf8')),
  )
  expect(found.sort()).toEqual(Object.keys(calls).sort())
})
