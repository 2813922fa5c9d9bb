import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import {
  compare,
  copy,
  erase,
  fill,
  fold,
  foldMapped,
  foldUnmapped,
  MemoryBlockDevice,
  PartitionBlockDevice,
  sparseCopy,
} from '../../src/block/index.ts'
import { listNbdExports, NbdBlockDevice } from '../../src/block/nbd/index.ts'
import { OpfsBlockDevice } from '../../src/block/opfs/index.ts'
import { bytes, compressed, encrypted } from '../../src/codec/index.ts'
import { Group, receiveFrom, repartition, tee } from '../../src/fan/index.ts'
import { fenceByCeph, fenceByCommand } from '../../src/hosts/index.ts'
import { Consumer, Producer, RingReader, RingWriter } from '../../src/index.ts'
import { Journal } from '../../src/journal/index.ts'
import { collect, Instruments } from '../../src/metrics/index.ts'
import { Pool } from '../../src/pool/index.ts'
import {
  breakLease,
  dumpAt,
  inspectRing,
  migrateRing,
  readLeases,
  repairRing,
  resumeRing,
  suspendRing,
  verifyRing,
} from '../../src/tools.ts'
import { RingConnection, RingServer } from '../../src/worker/index.ts'

type Call = (options: never, device: never) => unknown

const step = (): void => undefined
const KEYS = { current: { id: 'k1', key: new Uint8Array(32) } } as never
const other = new MemoryBlockDevice({ sizeSectors: 16 })

/** Each exported call that takes options: with these, and the device or the ring that it works on. */
const OF_A_DEVICE: Readonly<Record<string, Call>> = {
  'Consumer.attach': (options, device) => Consumer.attach(device, options),
  'Journal.open': (options, device) => Journal.open(device, async () => undefined, options),
  'PartitionBlockDevice.open': (options, device) => PartitionBlockDevice.open(device, options),
  'Producer.attach': (options, device) => Producer.attach(device, options),
  'Producer.create': (options, device) => Producer.create(device, options),
  'RingReader.open': (options, device) => RingReader.open(device, options),
  'RingWriter.open': (options, device) => RingWriter.open(device, options),
  collect: (options, device) => collect(device, options),
  compare: (options, device) => compare(device, other, options),
  copy: (options, device) => copy(other, device, options),
  'Pool.create': (options, device) => Pool.create(device, options),
  dumpAt: (options, device) => dumpAt(device, 0, options),
  erase: (options, device) => erase(device, options),
  fill: (options, device) => fill(device, options),
  fold: (options, device) => fold(device, undefined, step, options),
  foldMapped: (options, device) => foldMapped(device, undefined, step, options),
  foldUnmapped: (options, device) => foldUnmapped(device, undefined, step, options),
  inspectRing: (options, device) => inspectRing(device, options),
  'Group.open': (options, device) => Group.open([device], options),
  migrateRing: (options, device) => migrateRing(other, device, options),
  'Pool.open': (options, device) => Pool.open(device, options),
  breakLease: (options, device) => breakLease(device, 'producer', options),
  readLeases: (options, device) => readLeases(device, options),
  repairRing: (options, device) => repairRing(device, options),
  repartition: (options, device) => repartition([device], [other], () => 'key', options),
  resumeRing: (options, device) => resumeRing(device, options),
  sparseCopy: (options, device) => sparseCopy(other, device, options),
  suspendRing: (options, device) => suspendRing(device, options),
  verifyRing: (options, device) => verifyRing(device, options),
}

const OTHERS: Readonly<Record<string, Call>> = {
  'FileBlockDevice.create': (options) => FileBlockDevice.create('/nowhere/ring', options),
  'FileBlockDevice.open': (options) => FileBlockDevice.open('/nowhere/ring', options),
  'FileBlockDevice.openOrCreate': (options) =>
    FileBlockDevice.openOrCreate('/nowhere/ring', options),
  Instruments: (options) => new Instruments(options),
  MemoryBlockDevice: (options) => new MemoryBlockDevice(options),
  'MemoryBlockDevice.from': (options) => MemoryBlockDevice.from(new Uint8Array(512), options),
  'NbdBlockDevice.open': (options) => NbdBlockDevice.open('nbd://localhost/', options),
  'OpfsBlockDevice.open': (options) => OpfsBlockDevice.open('ring', options),
  'OpfsBlockDevice.openOrCreate': (options) => OpfsBlockDevice.openOrCreate('ring', options),
  compressed: (options) => compressed(bytes, options),
  'RingConnection.open': (options) => RingConnection.open(new MessageChannel().port1, options),
  encrypted: (options) => encrypted(bytes, KEYS, options),
  fenceByCeph: (options) => fenceByCeph(options),
  fenceByCommand: (options) => fenceByCommand(['true'], options),
  listNbdExports: (options) => listNbdExports('nbd://localhost/', options),
  receiveFrom: (options) => receiveFrom([], options),
  RingServer: (options) => new RingServer(new MessageChannel().port1, options),
  tee: (options) => tee([], options),
}

/** What takes options and does not check them itself. */
const UNCHECKED = new Map([
  ['DevicePart', 'made by PartitionBlockDevice.open and Pool.open'],
  ['WrappingBlockDevice', 'for authors of back-ends'],
  ['pipeTo', 'only a signal, as each call that waits'],
])

/** The calls in the reports of the public interface that take options, but for methods of objects. */
function callsInReports(): readonly string[] {
  const reports = new URL('api/', import.meta.url)
  const calls = new Set<string>()
  for (const report of readdirSync(reports)) {
    if (['sim.txt', 'conformance.txt'].includes(report)) continue
    let section = ''
    for (const line of readFileSync(new URL(report, reports), 'utf8').split('\n')) {
      section = /^# (\w+)/.exec(line)?.[1] ?? section
      if (!/\w*Options\b/.test(line.replace(/^.*?\(/, ''))) continue
      const [, called, name] =
        /^(declare function | {4}static | {4}constructor| {4}(?=(?:create|attach)\())(\w*)/.exec(
          line,
        ) ?? []
      if (called === undefined) continue
      if (called.startsWith('declare')) calls.add(name ?? '')
      else calls.add(called.includes('constructor') ? section : `${section}.${name}`)
    }
  }
  return [...calls].toSorted()
}

test('every call that takes options is in this table', () => {
  const here = [...Object.keys(OF_A_DEVICE), ...Object.keys(OTHERS), ...UNCHECKED.keys()]
  expect(callsInReports()).toEqual(here.toSorted())
})

/** What calling comes to, whether it throws or rejects. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return undefined
  } catch (error) {
    return error
  }
}

/** A device, and what it was asked for. */
function watched(): { readonly device: never; readonly asked: PropertyKey[] } {
  const asked: PropertyKey[] = []
  const device = new Proxy(new MemoryBlockDevice({ sizeSectors: 2048 }), {
    get(target, key) {
      const found: unknown = Reflect.get(target, key)
      if (typeof found !== 'function') return found
      return (...given: unknown[]) => {
        asked.push(key)
        return found.apply(target, given)
      }
    },
  })
  return { device: device as never, asked }
}

const MISSPELT = { timeoutMilliseconds: 5 }

describe.each(Object.entries({ ...OF_A_DEVICE, ...OTHERS }))('%s', (name, call) => {
  test('refuses an option that it does not have, and asks nothing of the device', async () => {
    const { device, asked } = watched()
    const error = await errorOf(() => call(MISSPELT as never, device))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as TypeError).message).toContain('has no option timeoutMilliseconds; it has ')
    expect(asked).toEqual([])
  })

  test('refuses values that are no options', async () => {
    const { device, asked } = watched()
    const error = await errorOf(() => call('fast' as never, device))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as TypeError).message).toContain('takes an object with options, not fast')
    expect(asked).toEqual([])
  })

  test.runIf(name in OF_A_DEVICE)('refuses a path in place of a device', async () => {
    const error = await errorOf(() => call({} as never, 'ring.img' as never))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as TypeError).message).toContain(
      `${name} takes a block device, not the text "ring.img"`,
    )
  })
})
