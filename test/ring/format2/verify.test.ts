import { beforeAll, describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { breakLease } from '../../../src/ring/access/lease.ts'
import { BATCH_HEADER_BYTES, ENTRY_BYTES } from '../../../src/ring/format2/disk/batch.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { encodeLease } from '../../../src/ring/format2/disk/lease-block.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { BLOCK, DATA, damagedCopy, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { FakeClock, instant } from '../../helpers/fake-clock.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { RECORD } from '../../helpers/lease-record.ts'
import { attachProducer } from '../../helpers/ring.ts'

const UNIT = 4096
const SUPERBLOCK = 12_288
const LEASE = 36_864
const BLOCKS = 32
const item = (length: number, byte = 7): Uint8Array => new Uint8Array(length).fill(byte)

/**
 * 32 blocks of data. 24 items of a block each were acknowledged. Then, from block 24 on: a batch of three items, one of
 * a single item of two blocks, and one of two items, of which the first goes around the end of the data area.
 */
async function makeRing(): Promise<MemoryBlockDevice> {
  const device = await smallRing(BLOCKS)
  await pushBatches(
    device,
    Array.from({ length: 24 }, () => [item(100)]),
  )
  await take(device, 24)
  await pushBatches(device, [[item(10), item(0), item(20)], [item(700)], [item(3000), item(50)]])
  return device
}

/** Where in the device a byte of a batch is. */
const batch = (lsn: number, at: number): number =>
  DATA + ((lsn + Math.floor(at / BLOCK)) % BLOCKS) * BLOCK + (at % BLOCK)

let ring: MemoryBlockDevice
beforeAll(async () => {
  ring = await makeRing()
})

test('a ring that is not damaged is sound, and nothing is written', async () => {
  const before = hex(await deviceBytes(ring))
  const device = new HookedDevice(ring)
  const report = await verifyRing(device)
  expect(report).toEqual({
    format: 2,
    sound: true,
    findings: [],
    moreFindings: 0,
    damagedItems: 0,
    log: { blocks: 10, freeBlocks: 22, batches: 3, items: 6, bytes: 3780 },
  })
  expect(device.take().every(({ operation }) => operation === 'read')).toBe(true)
  expect(hex(await deviceBytes(ring))).toBe(before)
})

test('a new ring is sound, and so is one that was drained', async () => {
  const device = await smallRing(16)
  expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [], log: { items: 0 } })
  await pushBatches(device, [[item(5)]])
  await take(device, 1)
  expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [], log: { items: 0 } })
})

/** What is damaged, by flipping a bit at an offset, and where that has to be found. */
const METADATA: readonly (readonly [string, number, number])[] = [
  ['guard', 0, 0],
  ['guard', 12_287, 12_287],
  ...[0, 1].map(
    (n) => [`superblock ${n + 1}`, SUPERBLOCK + n * UNIT + 90, SUPERBLOCK + n * UNIT] as const,
  ),
  ['superblock 3', DATA + BLOCKS * BLOCK + 90, DATA + BLOCKS * BLOCK],
  ...[0, 1].map(
    (n) => [`producer slot ${n + 1}`, 20_480 + n * UNIT + 75, 20_480 + n * UNIT] as const,
  ),
  ...[0, 1].map(
    (n) => [`consumer slot ${n + 1}`, 28_672 + n * UNIT + 75, 28_672 + n * UNIT] as const,
  ),
]

describe('one damaged byte is found', () => {
  test.each(METADATA)('%s, byte %i', async (structure, at, offset) => {
    const report = await verifyRing(await damagedCopy(ring, at))
    const severity = 'damage'
    expect(report).toMatchObject({ sound: false, damagedItems: 0, log: { items: 6 } })
    expect(report.findings).toHaveLength(1)
    expect(report.findings[0]).toMatchObject({ structure, severity, offset })
  })

  const table = BATCH_HEADER_BYTES
  const body = (records: number): number => BATCH_HEADER_BYTES + records * ENTRY_BYTES
  test.each([
    ['batch header', batch(24, 30), batch(24, 0), 24, 26],
    ['batch header', batch(27, 0), batch(27, 0), 28, 29],
    ['table', batch(24, table + 9), batch(24, table), 24, 26],
    ['table', batch(25, table), batch(25, table), 27, 27],
    ['item', batch(24, body(3)), batch(24, body(3)), 24, 24],
    ['item', batch(24, body(3) + 29), batch(24, body(3) + 10), 26, 26],
    ['item', batch(25, body(1) + 699), batch(25, body(1)), 27, 27],
    ['item', batch(27, body(2) + 2999), batch(27, body(2)), 28, 28],
    ['item', batch(27, body(2) + 3000), batch(27, body(2) + 3000), 29, 29],
  ])('%s, byte %i', async (structure, at, offset, first, last) => {
    const report = await verifyRing(await damagedCopy(ring, at))
    const items = last - first + 1
    expect(report).toMatchObject({ sound: false, damagedItems: items, log: { items: 6 - items } })
    expect(report.findings).toHaveLength(1)
    expect(report.findings[0]).toMatchObject({
      structure,
      severity: 'damage',
      offset,
      items,
      numbers: { first: first + 1, last: last + 1 },
    })
    // The consumer, too, loses these items and no others.
    const popped = await take(await damagedCopy(ring, at), 100, 'skip')
    expect(popped).toHaveLength(6 - items)
  })

  test('in every byte of the log, but for what comes after the items', async () => {
    const padding = new Set<number>()
    for (const [lsn, end] of [
      [24, body(3) + 30],
      [25, body(1) + 700],
      [27, body(2) + 3050],
    ] as const) {
      const blocks = Math.ceil(end / BLOCK)
      for (let at = end; at < blocks * BLOCK; at++) padding.add(batch(lsn, at))
    }
    for (let at = 0; at < 10 * BLOCK; at += 13) {
      const offset = batch(24, at)
      const { sound, findings } = await verifyRing(await damagedCopy(ring, offset))
      expect([offset, sound]).toEqual([offset, padding.has(offset)])
      expect(findings.length).toBe(padding.has(offset) ? 0 : 1)
    }
  })

  test('a block of the log that is overwritten by an older one', async () => {
    const device = await damagedCopy(ring)
    const block = new Uint8Array(BLOCK)
    await device.read((DATA + 3 * BLOCK) / BLOCK, [block])
    await device.write((DATA + 24 * BLOCK) / BLOCK, [block])
    const { findings } = await verifyRing(device)
    expect(findings).toHaveLength(1)
    expect(findings[0]?.problem).toMatch(/^LSN: expected 24/)
  })
})

describe('what verify does not take for damage', () => {
  test.each([
    ['a bit where a lease can be, but never was', LEASE],
    ['a block that was acknowledged', DATA + 7 * BLOCK + 20],
    ['what is between the blocks', SUPERBLOCK + BLOCK],
    ['what is after the items of a batch', batch(24, BLOCK - 1)],
  ])('%s', async (_, at) => {
    const report = await verifyRing(await damagedCopy(ring, at))
    expect(report).toMatchObject({ sound: true, findings: [], log: { items: 6 } })
  })

  test('items of a batch that were acknowledged, and uncommitted ones that were dropped', async () => {
    const device = await smallRing(16)
    await pushBatches(device, [[item(40), item(41)]])
    await take(device, 1)
    const producer = await attachProducer(device)
    const pushed = await producer.pushMany([item(60), item(61)])
    if (pushed.status !== 'ok' || pushed.positions[0] === undefined) throw new Error('no room')
    await producer.advance(pushed.positions[0])
    await producer.close()
    await pushBatches(device, [[item(80)]])
    const first = DATA + BATCH_HEADER_BYTES + 2 * ENTRY_BYTES
    const second = DATA + BLOCK + BATCH_HEADER_BYTES + 2 * ENTRY_BYTES
    expect(await verifyRing(device)).toMatchObject({ sound: true, log: { items: 3 } })
    for (const at of [first, second + 60]) {
      const report = await verifyRing(await damagedCopy(device, at))
      expect(report).toMatchObject({ sound: true, damagedItems: 0, log: { items: 3 } })
      expect(report.findings).toMatchObject([{ severity: 'warning', structure: 'item' }])
    }
    for (const at of [first + 40, second]) {
      const report = await verifyRing(await damagedCopy(device, at))
      expect(report).toMatchObject({ sound: false, damagedItems: 1, log: { items: 2 } })
    }
  })
})

describe('damage to every copy is found', () => {
  test.each([
    ['producer', 20_480],
    ['consumer', 28_672],
  ])('of the slots of the %s', async (role, at) => {
    const report = await verifyRing(await damagedCopy(ring, at + 9, at + UNIT + 9))
    expect(report.log).toBeUndefined()
    expect(report.findings).toMatchObject([
      { structure: `${role} slot 1`, offset: at },
      { structure: `${role} slot 2`, offset: at + UNIT },
    ])
    expect(report.findings[0]?.advice).toContain('--rebuild')
  })

  test('of the superblocks', async () => {
    const all = [SUPERBLOCK + 9, SUPERBLOCK + UNIT + 9, DATA + BLOCKS * BLOCK + 9]
    const report = await verifyRing(await damagedCopy(ring, ...all))
    expect(report).toMatchObject({ sound: false, findings: [{ structure: 'superblock' }] })
  })

  test('of everything in the ring', async () => {
    const device = await damagedCopy(ring)
    const { sizeSectors } = await device.getInfo()
    await device.writeZeroes(0, sizeSectors)
    await expect(verifyRing(device)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
  })
})

describe('a lease', () => {
  async function leased(): Promise<MemoryBlockDevice> {
    const device = await damagedCopy(ring)
    const { uuid } = await Disk.open(device).then((disk) => disk.ring)
    const block = new Uint8Array(BLOCK)
    encodeLease(block, LEASE, uuid, RECORD)
    await device.write(LEASE / BLOCK, [block])
    return device
  }

  test('that is held is no damage', async () => {
    expect(await verifyRing(await leased())).toMatchObject({ sound: true, findings: [] })
  })

  test('that is damaged closes the ring to its role, and verify says how to open it', async () => {
    const device = await damagedCopy(await leased(), LEASE + 99)
    const { sound, findings } = await verifyRing(device, { clock: instant })
    expect(sound).toBe(false)
    expect(findings).toMatchObject([
      { severity: 'damage', structure: 'producer lease', offset: LEASE },
    ])
    expect(findings[0]?.advice).toContain(`sbr lease break ${device.name} --role producer`)
    await expect(Producer.attach(device, { clock: instant })).rejects.toMatchObject({
      code: 'RING_CORRUPT',
    })
    await breakLease(device, 'producer', { clock: instant })
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
  })

  test('that is read while its owner writes it is read again', async () => {
    const device = new HookedDevice(await leased())
    let torn = 3
    device.afterRead = ({ sector }, [buffer]) => {
      if (sector === LEASE / BLOCK && torn-- > 0 && buffer !== undefined) buffer[70] = 0xff
    }
    const report = await verifyRing(device, { clock: instant })
    expect(report).toMatchObject({ sound: true, findings: [] })
    expect(torn).toBeLessThan(0)
  })
})

test('copies of the superblock that are whole and disagree are damage', async () => {
  const other = await smallRing(BLOCKS, { uuid: item(16, 1) })
  const device = await damagedCopy(ring)
  const block = new Uint8Array(BLOCK)
  await other.read((SUPERBLOCK + UNIT) / BLOCK, [block])
  await device.write((SUPERBLOCK + UNIT) / BLOCK, [block])
  const { sound, findings } = await verifyRing(device)
  expect(sound).toBe(false)
  expect(findings).toMatchObject([{ structure: 'superblocks', offset: SUPERBLOCK + UNIT }])
})

test('a cursor after the end, as after a power cut, is a warning', async () => {
  const device = await smallRing(16)
  await pushBatches(device, [[item(9)]])
  const before = await deviceBytes(device)
  await pushBatches(device, [[item(9)]])
  await take(device, 2)
  const after = await deviceBytes(device)
  after.set(before.subarray(20_480, 20_480 + 2 * UNIT), 20_480)
  after.set(before.subarray(DATA, DATA + 16 * BLOCK), DATA)
  const cut = await damagedCopy(device)
  await cut.write(0, [after])
  const { sound, findings } = await verifyRing(cut)
  expect(sound).toBe(true)
  expect(findings.map(({ problem }) => problem.split(':')[0])).toEqual(['seen epoch', 'cursor'])
})

test('verify lists a thousand findings, and counts the others', async () => {
  const device = await smallRing(1200)
  await pushBatches(
    device,
    Array.from({ length: 1100 }, () => [item(1)]),
  )
  const places = Array.from({ length: 1100 }, (_, lsn) => DATA + lsn * BLOCK + 88)
  const report = await verifyRing(await damagedCopy(device, ...places))
  expect(report).toMatchObject({ moreFindings: 100, damagedItems: 1100 })
  expect(report.findings).toHaveLength(1000)
})

test('verify stops when told, and reports its progress', async () => {
  const stop = new AbortController()
  const steps: (readonly [number, number])[] = []
  await verifyRing(ring, { onProgress: (done, total) => steps.push([done, total]) })
  expect(steps).toEqual([
    [512, 5120],
    [1536, 5120],
    [5120, 5120],
  ])
  stop.abort(new Error('enough'))
  await expect(verifyRing(ring, { signal: stop.signal })).rejects.toThrow('enough')
})

describe('a ring at work', () => {
  /** How much both roles do before each request: little leaves something to read, much overruns what is read. */
  const BURSTS = [1, 2, 6]

  /** Whatever is read, both roles have done something right before it: the ring is overrun again and again. */
  test.each(['wait', 'overwrite'] as const)('is sound (%s)', async (onFull) => {
    const device = await smallRing(24, { onFull })
    const clock = new FakeClock()
    const options = { clock, refreshIntervalMs: 0 }
    const producer = await attachProducer(device, options)
    const consumer = await Consumer.attach(device, options)
    const work = async (n: number): Promise<void> => {
      await producer.append(Array.from({ length: 1 + (n % 3) }, () => item((n * 37) % 900)))
      if (n % 4 === 0) await clock.advance(100)
      if (onFull === 'overwrite' && n % 5 !== 0) return
      const last = (await consumer.popMany({ maxItems: n % 16 === 0 ? 100 : 1 })).at(-1)
      if (last !== undefined) await consumer.advance(last.position)
    }
    let works = 0
    while (works < 10) await work(works++)
    const hooked = new HookedDevice(device)
    let operations = 0
    let rounds = 0
    hooked.before = async () => {
      // Both rest now and then, or nothing could ever be read.
      operations++
      const burst = operations % 7 < 4 ? (BURSTS[rounds % BURSTS.length] ?? 0) : 0
      for (let n = 0; n < burst; n++) await work(works++)
    }
    let items = 0
    for (; rounds < 12; rounds++) {
      const report = await verifyRing(hooked, { clock: { ...instant, now: () => 0 } })
      expect(report.findings).toEqual([])
      items += report.log?.items ?? 0
    }
    expect(items).toBeGreaterThan(20)
    await producer.close()
    await consumer.close()
  })

  test('a producer that begins again, where what the cache had was lost, is no damage', async () => {
    const base = await smallRing(16)
    await pushBatches(base, [[item(3)], [item(4)]])
    const producer = await attachProducer(base, { clock: new FakeClock() })
    const cut = await damagedCopy(base)
    for (const length of [600, 700, 5]) await producer.append([item(length), item(8)])
    const before = await damagedCopy(base)
    await producer.close()
    await pushBatches(cut, [[item(6)], [item(500)]])
    const image = await deviceBytes(cut)
    let restarts = 0
    for (let at = 1; at <= 20; at++) {
      const hooked = new HookedDevice(await damagedCopy(before))
      let reads = 0
      hooked.before = async ({ operation }) => {
        if (operation !== 'read' || ++reads !== at) return
        restarts++
        await hooked.write(0, [image])
      }
      expect(await verifyRing(hooked)).toMatchObject({ sound: true, findings: [] })
    }
    expect(restarts).toBeGreaterThan(8)
  })

  test('a slot that is read while it is written is read again', async () => {
    const device = new HookedDevice(await damagedCopy(ring))
    let torn = 3
    device.afterRead = ({ sector }, [buffer]) => {
      if (sector === 20_480 / BLOCK && torn-- > 0 && buffer !== undefined) buffer[70] = torn
    }
    expect(await verifyRing(device, { clock: instant })).toMatchObject({ sound: true })
    expect(torn).toBeLessThan(0)
  })
})

test('verify finds out the format', async () => {
  const device = await smallRing(16)
  expect((await verifyRing(device)).format).toBe(2)
  expect(await Producer.create(device, { format: 1 })).toEqual({ created: false })
})
