import type { BlockDevice } from '../../../src/block/device.ts'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import type { Clock } from '../../../src/clock.ts'
import { isRingError } from '../../../src/errors.ts'
import { repartition } from '../../../src/fan/index.ts'
import { Journal } from '../../../src/journal/index.ts'
import { collect } from '../../../src/metrics/index.ts'
import type { Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { whoHolds } from '../../../src/ring/access/holders.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { breakLease, readLeases } from '../../../src/ring/access/lease.ts'
import { dumpAt } from '../../../src/ring/maintenance/dump.ts'
import { migrateRing } from '../../../src/ring/maintenance/migrate.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import type { DeadLetter, Handler } from '../../../src/ring/queue/process/types.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { resumeRing, suspendRing } from '../../../src/ring/queue/suspend.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import type { PoppedItem } from '../../../src/ring/types.ts'
import type { Random } from '../../../src/sim/world/random.ts'
import { RingConnection, RingServer } from '../../../src/worker/index.ts'
import type { MeteredDevice } from '../meter.ts'

/** What a call is given. */
export interface Calling {
  readonly device: MeteredDevice
  readonly random: Random
  /** Told of each item that was delivered. */
  readonly deliver: (item: Uint8Array) => void
}

/** A call of the library that takes a device, and what its answer was, in short. */
export interface Call {
  /** What it is called, as it is exported. */
  readonly name: string
  /** Which share of the images it is made on. */
  readonly share: number
  /** Whether it waits for the other side, which never comes. */
  readonly waits?: boolean
  run(calling: Calling): Promise<unknown>
}

/** Calls that one reader makes at most, and items that it takes: some images have half a million. */
const MAX_POPS = 60
const LEASE = { owner: 'hostile', timeoutMs: 5000, unfenced: true } as const
const ITEMS = [0, 10, 300].map((length) => new Uint8Array(length).fill(77))

let elapsed = 0
/** A clock that jumps on when somebody waits; nothing happens in the background. */
const clock: Clock = {
  now: () => elapsed,
  time: () => 1_700_000_000_000 + elapsed,
  sleep: (ms, signal, options) => {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (options?.background === true) {
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    }
    elapsed += ms
    return Promise.resolve()
  },
}

/** What a consumer came to. */
export interface Consumed {
  items: number
  bytes: number
  /** Items that were told to be damaged. */
  damaged: number
  missed: number
  /** Items that were too large for it. */
  large: number
  /** Whether it came to the end. */
  done: boolean
}

/** Takes all items, stepping over what is damaged or too large. */
export async function consume(
  { device, random, deliver }: Calling,
  options: { readonly lease?: boolean; readonly advances?: boolean } = {},
): Promise<Consumed> {
  const { signal } = device
  const lease = options.lease === true ? { lease: LEASE } : {}
  const attaching = { clock, refreshIntervalMs: 0, signal, ...lease }
  const consumer = await Consumer.attach(device, attaching)
  const came: Consumed = { items: 0, bytes: 0, damaged: 0, missed: 0, large: 0, done: false }
  try {
    let from = consumer.position
    for (let pops = 0; pops < MAX_POPS && !came.done; pops++) {
      const popped = await popOrStep(consumer, from, signal, came)
      for (const { item, missed = 0 } of popped.items) {
        deliver(item)
        came.items++
        came.bytes += item.length
        came.missed += missed
      }
      came.done = popped.ended
      if (!popped.ended && popped.to <= from) throw new Error(`${from} is not skipped`)
      from = popped.to
      if (options.advances === true && random.chance(0.7)) await consumer.advance(from)
    }
    if (options.advances === true) await consumer.advance(from)
    return came
  } finally {
    await consumer.close()
  }
}

async function popOrStep(
  consumer: Consumer,
  from: Position,
  signal: AbortSignal,
  came: Consumed,
): Promise<{
  readonly items: readonly PoppedItem[]
  readonly to: Position
  readonly ended: boolean
}> {
  try {
    const items = await consumer.popMany({ from, signal })
    return { items, to: items.at(-1)?.position ?? from, ended: items.length === 0 }
  } catch (error) {
    if (!isRingError(error)) throw error
    const { code, details } = error
    if (code !== 'RING_DAMAGED' && code !== 'RING_ITEM_TOO_LARGE') throw error
    if (code === 'RING_DAMAGED') came.damaged += details.items ?? 0
    else came.large++
    came.missed += details.missed ?? 0
    return { items: [], to: parsePosition(details.position ?? ''), ended: false }
  }
}

/** Attaches, and pushes a few. */
async function produce({ device }: Calling, leased: boolean): Promise<string> {
  const { signal } = device
  const lease = leased ? { lease: LEASE } : {}
  const attached = await Producer.attach(device, { clock, refreshIntervalMs: 0, signal, ...lease })
  if (attached.status === 'suspended') return 'suspended'
  const { producer } = attached
  try {
    await producer.state()
    await producer.debugInfo()
    const appended = await producer.append(ITEMS, { signal })
    if (appended.status !== 'ok') return appended.status
    const pushed = await producer.pushMany(ITEMS, { signal })
    if (pushed.status !== 'ok') return pushed.status
    await producer.advance(pushed.position, { signal })
    return 'ok'
  } finally {
    await producer.close()
  }
}

async function inspect({ device, deliver }: Calling, salvage: boolean): Promise<string> {
  const { items } = await inspectRing(device, { salvage, signal: device.signal })
  let count = 0
  for await (const { item } of items()) {
    deliver(item)
    if (++count > 3000) break
  }
  return 'ok'
}

/** Reads items backward. */
async function lookBack(
  { device, deliver }: Calling,
  which: 'newest' | 'consumed',
): Promise<string> {
  const state = await inspectRing(device, { signal: device.signal })
  let count = 0
  let last: Position | undefined
  for await (const { item, position } of state[which]()) {
    if (last !== undefined && position >= last) throw new Error(`${position} comes after ${last}`)
    last = position
    deliver(item)
    if (++count > 3000) break
  }
  return 'ok'
}

/** Reads on while nobody writes, and once a producer has pushed. */
async function follow(calling: Calling): Promise<string> {
  const { device, deliver } = calling
  const follower = (await inspectRing(device, { signal: device.signal })).follow()
  for (let turn = 0; turn < 2; turn++) {
    for (let reads = 0; reads < MAX_POPS; reads++) {
      try {
        const { items, missedItems = 0, missedBytes = 0 } = await follower.read()
        for (const { item } of items) deliver(item)
        if (items.length === 0 && missedItems + missedBytes === 0) break
      } catch (error) {
        if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
      }
    }
    if (turn === 0) await produce(calling, false)
  }
  return 'ok'
}

function blank(): Promise<BlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: 1 << 16 })
  return Producer.create(device, { clock }).then(() => device)
}

async function drain(to: BlockDevice, deliver: (item: Uint8Array) => void): Promise<void> {
  const { items } = await inspectRing(to)
  for await (const { item } of items()) deliver(item)
}

/** Where structures lie, in any of the formats, and a place anywhere. */
function offsetIn(random: Random, deviceBytes: number): number {
  const places = [
    ...[0, 512, 1024, 1536, 12_288, 16_384, 20_480, 24_576, 28_672, 32_768, 36_864, 40_960],
    ...[45_056, 45_156, 45_600, 46_080, 61_440, 65_536, deviceBytes - 4096, deviceBytes - 65_536],
    random.below(Math.min(deviceBytes, 2 ** 31)),
    deviceBytes - 1,
  ]
  return Math.min(deviceBytes - 1, Math.max(0, random.pick(places)))
}

/**
 * Everything that is exported and takes a device as a ring. What the names before a comma are is compared with the
 * exports.
 */
export const CALLS: readonly Call[] = [
  { name: 'inspectRing', share: 1, run: (calling) => inspect(calling, false) },
  { name: 'inspectRing, salvage', share: 0.3, run: (calling) => inspect(calling, true) },
  { name: 'inspectRing, newest', share: 1, run: (calling) => lookBack(calling, 'newest') },
  { name: 'inspectRing, consumed', share: 1, run: (calling) => lookBack(calling, 'consumed') },
  { name: 'inspectRing, follow', share: 0.3, run: follow },
  {
    name: 'verifyRing',
    share: 1,
    run: ({ device }) => verifyRing(device, { clock, signal: device.signal }),
  },
  {
    name: 'dumpAt',
    share: 1,
    run: async ({ device, random }) => {
      const { sectorSize, sizeSectors } = await device.getInfo()
      const offset = offsetIn(random, sectorSize * sizeSectors)
      return await dumpAt(device, offset, { clock, signal: device.signal, length: 600 })
    },
  },
  {
    name: 'repairRing',
    share: 1,
    run: ({ device }) => repairRing(device, { clock, signal: device.signal }),
  },
  {
    name: 'repairRing, format 2',
    share: 0.3,
    run: ({ device }) => repairRing(device, { clock, format: 2, signal: device.signal }),
  },
  {
    name: 'repairRing, write',
    share: 0.3,
    run: ({ device }) => repairRing(device, { clock, write: true, signal: device.signal }),
  },
  {
    name: 'repairRing, rebuild',
    share: 0.3,
    run: ({ device }) =>
      repairRing(device, { clock, write: true, rebuild: true, signal: device.signal }),
  },
  {
    name: 'repairRing, zeroUnreadable',
    share: 0.3,
    run: ({ device }) =>
      repairRing(device, { clock, write: true, zeroUnreadable: true, signal: device.signal }),
  },
  { name: 'collect', share: 0.3, run: ({ device }) => collect(device, { signal: device.signal }) },
  { name: 'whoHolds', share: 0.3, run: ({ device }) => whoHolds(device) },
  { name: 'readLeases', share: 0.3, run: ({ device }) => readLeases(device, { clock }) },
  {
    name: 'breakLease',
    share: 0.3,
    run: ({ device, random }) =>
      breakLease(device, random.pick(['producer', 'consumer']), { clock }),
  },
  { name: 'Producer.create', share: 1, run: ({ device }) => Producer.create(device, { clock }) },
  {
    name: 'Producer.create, format 1',
    share: 0.3,
    run: ({ device }) => Producer.create(device, { clock, format: 1 }),
  },
  { name: 'Producer.attach', share: 0.3, run: (calling) => produce(calling, false) },
  // A lease may have hours to go, which are waited for.
  {
    name: 'Producer.attach, leased',
    share: 0.3,
    waits: true,
    run: (calling) => produce(calling, true),
  },
  { name: 'Consumer.attach', share: 1, run: (calling) => consume(calling) },
  {
    name: 'Consumer.attach, advancing',
    share: 0.3,
    run: (calling) => consume(calling, { advances: true }),
  },
  {
    name: 'Consumer.attach, leased',
    share: 0.3,
    waits: true,
    run: (calling) => consume(calling, { lease: true }),
  },
  {
    name: 'Consumer.attach, skipping',
    share: 0.3,
    run: async ({ device, deliver }) => {
      const { signal } = device
      const options = { clock, refreshIntervalMs: 0, signal, onDamage: 'skip' } as const
      await using consumer = await Consumer.attach(device, options)
      const popped = await consumer.popMany({ signal })
      for (const { item } of popped) deliver(item)
      const last = popped.at(-1)
      if (last !== undefined) await consumer.advance(last.position)
      await consumer.suspend()
    },
  },
  {
    name: 'RingWriter.open',
    share: 0.3,
    waits: true,
    run: async ({ device }) => {
      const { signal } = device
      const onBlocked = (): void => device.stop()
      await using writer = await RingWriter.open(device, { clock, signal, onBlocked })
      await writer.push(new Uint8Array(9), { signal })
    },
  },
  {
    name: 'RingReader.open',
    share: 0.3,
    run: async ({ device, deliver }) => {
      const { signal } = device
      await using reader = await RingReader.open(device, { clock, signal })
      // What takes no signal is ended by closing.
      signal.addEventListener('abort', () => void reader.close(), { once: true })
      const entry = await reader.tryReceive()
      if (entry === undefined) return
      deliver(entry.item)
      await entry.ack()
    },
  },
  {
    name: 'RingReader.open, views',
    share: 0.3,
    run: async ({ device, deliver }) => {
      const { signal } = device
      await using reader = await RingReader.open(device, { clock, signal })
      signal.addEventListener('abort', () => void reader.close(), { once: true })
      for (let count = 0; count < MAX_POPS; count++) {
        const entries = await reader.tryReceiveMany({ maxItems: 3, views: true })
        if (entries.length === 0) return
        for (const { item } of entries) deliver(item)
        for (const { item } of entries) item.fill(0xee)
        const [first] = entries
        if (first !== undefined && count % 2 === 0) await first.ack()
        if (count % 8 === 1) await reader.rewind()
      }
    },
  },
  {
    name: 'RingReader.open, process',
    share: 0.3,
    run: async ({ device, deliver }) => {
      const { signal } = device
      await using reader = await RingReader.open(device, { clock, signal })
      const handler: Handler<Uint8Array> = (item, job) => {
        deliver(item)
        return job.number !== undefined && job.number % 2 === 0 ? job.giveUp('even') : undefined
      }
      const deadLetter = async ({ bytes }: DeadLetter<Uint8Array>): Promise<void> => deliver(bytes)
      return await reader.process(handler, {
        ...{ untilEmpty: true, concurrency: 8, graceMs: 0, deadLetter, signal, views: true },
      })
    },
  },
  {
    name: 'RingServer',
    share: 0.3,
    run: async ({ device, deliver }) => {
      const { port1, port2 } = new MessageChannel()
      const reader = { clock, onDamage: 'skip' } as const
      await using server = new RingServer(port2, { open: () => device, writer: { clock }, reader })
      // What waits for the other side is ended as by a worker that is.
      device.signal.addEventListener('abort', () => void server.close(), { once: true })
      try {
        const page = await RingConnection.open(port1)
        await page.status()
        for (const { item, ack } of await page.receiveMany({ maxItems: 3 })) {
          deliver(item)
          await ack()
        }
        await page.close()
      } finally {
        port1.close()
      }
    },
  },
  {
    name: 'suspendRing',
    share: 0.1,
    waits: true,
    run: ({ device }) => suspendRing(device, { clock, signal: device.signal }),
  },
  {
    name: 'resumeRing',
    share: 0.1,
    waits: true,
    run: ({ device }) => resumeRing(device, { clock, signal: device.signal }),
  },
  {
    name: 'migrateRing, from',
    share: 0.05,
    run: async ({ device, deliver }) => {
      const to = await blank()
      try {
        // What a device says to hold may be more than the new ring takes.
        const onBlocked = (): void => device.stop()
        return await migrateRing(device, to, { signal: device.signal, onBlocked, onDamage: 'skip' })
      } finally {
        await drain(to, deliver)
      }
    },
  },
  {
    name: 'migrateRing, to',
    share: 0.05,
    waits: true,
    run: async ({ device }) => {
      const { producer, consumer } = await inspectRing(device, { signal: device.signal })
      // It would wait, by the machine's clock.
      if (producer.suspendAck || consumer.suspend) return 'suspended'
      const from = await blank()
      const attached = await Producer.attach(from, { clock })
      if (attached.status === 'attached') {
        await attached.producer.append(ITEMS)
        await attached.producer.close()
      }
      const onBlocked = (): void => device.stop()
      return await migrateRing(from, device, { signal: device.signal, onBlocked, add: true })
    },
  },
  {
    name: 'repartition, from',
    share: 0.05,
    run: async ({ device, deliver }) => {
      const to = await blank()
      try {
        const onBlocked = (): void => device.stop()
        return await repartition([device], [to], () => 'key', { signal: device.signal, onBlocked })
      } finally {
        await drain(to, deliver)
      }
    },
  },
  {
    name: 'Journal.open',
    share: 0.3,
    waits: true,
    run: async ({ device, deliver, random }) => {
      const perform = async (operations: readonly Uint8Array[]): Promise<void> => {
        for (const operation of operations) deliver(operation)
      }
      const { signal } = device
      const create = random.chance(0.5)
      const journal = await Journal.open(device, perform, {
        clock,
        signal,
        createIfMissing: create,
        attempts: 10,
      })
      try {
        await Promise.race([journal.sync({ signal }), journal.ended])
      } finally {
        await journal.close()
      }
    },
  },
]

/** A consumer that attaches once a producer has told where the log ends. */
export const AFTER_PRODUCER: Call = {
  name: 'Consumer.attach, after a producer',
  share: 0,
  run: async (calling) => {
    const { device } = calling
    const { signal } = device
    const attached = await Producer.attach(device, { clock, refreshIntervalMs: 0, signal })
    if (attached.status === 'suspended') return undefined
    await attached.producer.close()
    return await consume(calling)
  },
}

/** What the harness itself pushes, and may so come out. */
export const OWN_ITEMS: readonly Uint8Array[] = [...ITEMS, new Uint8Array(9)]

/** Exports that work on no ring of a device, each with the reason. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'systemClock.now': 'a clock',
  'systemClock.time': 'a clock',
  'systemClock.sleep': 'a clock',
  BlockError: 'an error',
  CodecError: 'an error',
  RingError: 'an error',
  JournalError: 'an error',
  Instruments: 'looks at rings as collect does',
  exposition: 'takes metrics',
  registerMetrics: 'takes metrics',
  metricProducer: 'takes metrics',
  Tracing: 'pushes and handles as the writer and the reader that it is given do',
  formatBlockError: 'takes an error',
  formatBlockWriteError: 'takes an error',
  formatPosition: 'takes a position',
  parsePosition: 'takes a text',
  isBlockError: 'takes an error',
  isCodecError: 'takes an error',
  isRingError: 'takes an error',
  isJournalError: 'takes an error',
  isWorkError: 'takes an error',
  isPartialPushError: 'takes an error',
  PartialPushError: 'is an error',
  WorkError: 'is an error',
  'RingConnection.open': 'is connected to a worker',
  'Group.open': 'opens readers',
  partitionOf: 'takes a key',
  partitioned: 'takes writers',
  receiveFrom: 'takes readers',
  tee: 'takes writers',
}
