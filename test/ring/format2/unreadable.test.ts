import { beforeAll, describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { isRingError } from '../../../src/errors.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import type { RingReport } from '../../../src/ring/report/finding.ts'
import type { RepairOptions, RepairReport } from '../../../src/ring/report/repair.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import { BLOCK, DATA, damagedCopy, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { deviceBytes } from '../../helpers/golden.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { UnreadableBlockDevice } from '../../helpers/unreadable.ts'

const BLOCKS = 32
const SUPERBLOCKS = [12_288, 16_384, DATA + BLOCKS * BLOCK] as const
const PRODUCER = [20_480, 24_576] as const
const CONSUMER = [28_672, 32_768] as const
const LEASES = [36_864, 40_960] as const

const item = (number: number, length = 100): Uint8Array => new Uint8Array(length).fill(number)
const numbers = (popped: readonly { readonly item: Uint8Array }[]): readonly number[] =>
  popped.map((each) => each.item[0] ?? 0)

/** Items that wait: number 24 is the first of them, as it is item 24 of all. */
const WAITING = [24, 25, 26, 27, 28, 29]

/**
 * 24 items of a block each were acknowledged. From block 24 on: a batch of three items in one block, one of a single
 * item in two, and one of two items in seven, which goes around the end of the data area to block 1.
 */
async function makeRing(): Promise<MemoryBlockDevice> {
  const device = await smallRing(BLOCKS)
  await pushBatches(
    device,
    Array.from({ length: 24 }, (_, number) => [item(number)]),
  )
  await take(device, 24)
  await pushBatches(device, [
    [item(24), item(25), item(26)],
    [item(27, 700)],
    [item(28, 3300), item(29, 50)],
  ])
  return device
}

let ring: MemoryBlockDevice
beforeAll(async () => {
  ring = await makeRing()
})

/** Where a byte of a block of the log is. */
const block = (lsn: number, at = 0): number => DATA + (lsn % BLOCKS) * BLOCK + at

/** A disk with the ring, of which some sectors cannot be read. */
async function spoiled(...offsets: readonly number[]): Promise<UnreadableBlockDevice> {
  const device = new UnreadableBlockDevice(await damagedCopy(ring))
  for (const offset of offsets) device.spoil(offset)
  return device
}

async function bytesOf(device: UnreadableBlockDevice): Promise<Buffer> {
  const sectors = new Map(device.sectors)
  device.sectors.clear()
  const bytes = await deviceBytes(device)
  for (const [sector, failures] of sectors) device.sectors.set(sector, failures)
  return Buffer.from(bytes)
}

/** What fails with the device's error, and nothing else. */
async function expectUnreadable(work: Promise<unknown>): Promise<void> {
  await expect(work).rejects.toMatchObject({ name: 'BlockError', code: 'BLOCK_IO' })
}

/** Attaching a role, or popping from what it finds, fails and changes nothing. */
async function expectRoleFails(device: UnreadableBlockDevice): Promise<void> {
  const before = await bytesOf(device)
  await expectUnreadable(Producer.attach(device, { clock: new FakeClock() }))
  await expectUnreadable(take(device, 100, 'skip'))
  expect((await bytesOf(device)).equals(before)).toBe(true)
  expect(device.written).toEqual([])
}

/** A dry run tells what a run does, and writes nothing. */
async function repaired(
  device: UnreadableBlockDevice,
  options: RepairOptions = {},
): Promise<RepairReport> {
  const before = await bytesOf(device)
  const planned = await repairRing(device, options)
  expect((await bytesOf(device)).equals(before)).toBe(true)
  const report = await repairRing(device, { ...options, write: true })
  expect(report).toEqual({ ...planned, written: true })
  return report
}

function unreadableIn(report: RingReport): readonly (readonly [string, number])[] {
  for (const { severity, problem } of report.findings) {
    expect([severity, problem]).toEqual(['damage', expect.stringMatching(/^cannot be read: /)])
  }
  return report.findings.map(({ structure, offset }) => [structure, offset])
}

describe("a sector of the ring's own records", () => {
  test.each([
    ['guard', [0], 0],
    ['guard', [512], 520],
    ['guard', [12_287], 11_776],
    ['superblock 1', [SUPERBLOCKS[0]], SUPERBLOCKS[0]],
    ['superblock 2', [SUPERBLOCKS[1]], SUPERBLOCKS[1]],
    ['superblock 3', [SUPERBLOCKS[2]], SUPERBLOCKS[2]],
    ['producer slot 1', [PRODUCER[0]], PRODUCER[0]],
    ['producer slot 2', [PRODUCER[1]], PRODUCER[1]],
    ['consumer slot 1', [CONSUMER[0]], CONSUMER[0]],
    ['consumer slot 2', [CONSUMER[1]], CONSUMER[1]],
    ['padding', [SUPERBLOCKS[0] + BLOCK], SUPERBLOCKS[0] + BLOCK],
    ['padding', [PRODUCER[1] + 7 * BLOCK], PRODUCER[1] + 7 * BLOCK],
  ])('%s, byte %j', async (structure, offsets, at) => {
    const device = await spoiled(...offsets)
    await expectRoleFails(device)
    const report = await verifyRing(device)
    expect(report).toMatchObject({ sound: false, damagedItems: 0, log: { batches: 3, items: 6 } })
    expect(unreadableIn(report)).toEqual([[structure, at]])
    expect(report.findings[0]?.advice).toContain('sbr repair --write writes it again')
    const { actions, left } = await repaired(device)
    expect([actions.length, left]).toEqual([1, []])
    expect(actions[0]).not.toHaveProperty('cost')
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    expect(numbers(await take(device, 100))).toEqual(WAITING)
    await pushBatches(device, [[item(30)]])
  })

  test('one of each at once', async () => {
    const device = await spoiled(0, SUPERBLOCKS[0], SUPERBLOCKS[2], PRODUCER[0], CONSUMER[1])
    expect((await verifyRing(device)).findings).toHaveLength(5)
    expect((await repaired(device)).actions).toHaveLength(5)
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    expect(numbers(await take(device, 100))).toEqual(WAITING)
  })

  test.each([
    ['producer', PRODUCER],
    ['consumer', CONSUMER],
  ] as const)('both slots of the %s: they take --rebuild', async (role, offsets) => {
    const device = await spoiled(...offsets)
    await expectRoleFails(device)
    const names = [`${role} slot 1`, `${role} slot 2`]
    const report = await verifyRing(device)
    expect(report).not.toHaveProperty('log')
    expect(unreadableIn(report).map(([name]) => name)).toEqual(names)
    const refused = await repaired(device, { zeroUnreadable: true })
    expect(refused.actions).toEqual([])
    expect(refused.left.map(({ structure, problem }) => [structure, problem])).toEqual(
      names.map((name) => [name, expect.stringMatching(/^cannot be read: /)]),
    )
    expect(await repaired(device, { rebuild: true })).toMatchObject({ left: [] })
    expect(numbers(await take(device, 100)).slice(-6)).toEqual(WAITING)
  })

  test('all superblocks: nothing can be done', async () => {
    const device = await spoiled(...SUPERBLOCKS)
    const report = await verifyRing(device)
    expect(report.findings).toMatchObject([
      { structure: 'superblock', problem: expect.stringContaining('an unreadable sector') },
    ])
    const { actions, left } = await repaired(device, { zeroUnreadable: true, rebuild: true })
    expect([actions, left.length]).toEqual([[], 1])
  })

  test("the device's error is thrown if nothing shows any more that there is a ring", async () => {
    const guard = [0, 512, 1024, 2048, 4096, 8192]
    const device = await spoiled(...guard, ...SUPERBLOCKS)
    await expectUnreadable(verifyRing(device))
    await expectUnreadable(repairRing(device, { zeroUnreadable: true, write: true }))
    expect(device.written).toEqual([])
  })

  test.each(LEASES)('a lease, byte %i: it is freed if asked', async (offset) => {
    const role = offset === LEASES[0] ? 'producer' : 'consumer'
    const device = await spoiled(offset)
    const report = await verifyRing(device)
    expect(unreadableIn(report)).toEqual([[`${role} lease`, offset]])
    const refused = await repaired(device)
    expect(refused).toMatchObject({ actions: [], left: [{ structure: `${role} lease` }] })
    const { actions } = await repaired(device, { zeroUnreadable: true })
    expect(actions).toMatchObject([{ offset, cost: expect.stringContaining('host') }])
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    expect(numbers(await take(device, 100))).toEqual(WAITING)
  })
})

test('blocks of several sectors: what is left of a block is enough where its checksum holds with zeroes', async () => {
  const large = await smallRing(64, { blockSize: 4096 })
  await pushBatches(large, [[item(1)], [item(2, 5000)], [item(3)]])
  await take(large, 1)
  const data = 12_288 + 8 * 4096
  // Ends of superblocks, of all slots, and of a batch's last block.
  const ends = [...SUPERBLOCKS.slice(0, 2), ...PRODUCER, ...CONSUMER].map((offset) => offset + 3584)
  const device = new UnreadableBlockDevice(large)
  const before = await bytesOf(device)
  for (const offset of [...ends, data + 4 * 4096 - 512]) device.spoil(offset)
  await expectRoleFails(device)
  const report = await verifyRing(device)
  expect(report).toMatchObject({ damagedItems: 0, log: { items: 2 } })
  expect(report.findings).toHaveLength(7)
  const { actions } = await repaired(device, { zeroUnreadable: true })
  expect(actions).toHaveLength(7)
  expect(actions.every(({ cost }) => cost === undefined)).toBe(true)
  expect((await bytesOf(device)).equals(before)).toBe(true)
})

describe('a sector of the log', () => {
  test.each([
    ['the header of a batch of three', block(24), [24, 26]],
    ['the header of a batch of one', block(25), [27, 27]],
    ['the rest of the same', block(26), [27, 27]],
    ['the header of the last one', block(27), [28, 29]],
    ['its first item, before the end of the data area', block(31), [28, 28]],
    ['the same, behind it', block(32), [28, 28]],
    ['both of its items', block(33), [28, 29]],
  ] as const)('%s', async (_, offset, [first, last]) => {
    const device = await spoiled(offset)
    await expectRoleFails(device)
    const items = last - first + 1
    const report = await verifyRing(device)
    expect(report).toMatchObject({ sound: false, damagedItems: items, log: { items: 6 - items } })
    expect(unreadableIn(report)).toHaveLength(1)
    expect(report.findings[0]).toMatchObject({
      items,
      numbers: { first: first + 1, last: last + 1 },
      advice: expect.stringContaining('sbr repair --zero-unreadable'),
    })
    const refused = await repaired(device)
    expect(refused).toMatchObject({ actions: [], left: report.findings })
    const { actions, left } = await repaired(device, { zeroUnreadable: true })
    expect(left).toMatchObject([{ items, numbers: { first: first + 1, last: last + 1 } }])
    expect(left[0]?.advice).not.toContain('--zero-unreadable')
    expect(actions).toMatchObject([{ offset, cost: `gives up items ${first + 1} to ${last + 1}` }])
    expect(device.written).toEqual([offset / BLOCK])
    await expectGap(device, first, last)
  })

  test('several, adjacent and not: each action says what it loses', async () => {
    const device = await spoiled(block(24), block(25), block(26), block(31), block(32))
    const report = await verifyRing(device)
    expect(report.damagedItems).toBe(5)
    const { actions } = await repaired(device, { zeroUnreadable: true })
    expect(actions.map(({ offset, cost }) => [offset, cost])).toEqual([
      [block(32), 'gives up items 29 to 29'],
      [block(24), 'gives up items 25 to 28'],
      [block(31), 'gives up items 29 to 29'],
    ])
    await expectRest(device, [29])
  })

  test('beside a damaged one: each has its own reason', async () => {
    const device = new UnreadableBlockDevice(await damagedCopy(ring, block(25, 200)))
    device.spoil(block(24))
    const { findings } = await verifyRing(device)
    expect(findings.map(({ problem }) => problem.split(':')[0])).toEqual([
      'cannot be read',
      'checksum',
    ])
    await repaired(device, { zeroUnreadable: true })
    await expectRest(device, [28, 29])
  })

  test('in free space: nothing is lost', async () => {
    const device = await spoiled(block(10))
    await expectRoleFails(device)
    const report = await verifyRing(device)
    expect(report).toMatchObject({ sound: false, damagedItems: 0, log: { items: 6 } })
    expect(unreadableIn(report)).toEqual([['data area', block(10)]])
    const { actions } = await repaired(device, { zeroUnreadable: true })
    expect(actions).toHaveLength(1)
    expect(actions[0]).not.toHaveProperty('cost')
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    await expectRest(device, WAITING)
  })

  test('at the end, where the last commit may be: this is reported', async () => {
    const device = await spoiled(block(34))
    const report = await verifyRing(device)
    expect(unreadableIn(report)).toEqual([['end of the log', block(34)]])
    const { actions } = await repaired(device, { zeroUnreadable: true })
    expect(actions).toMatchObject([{ offset: block(34), cost: expect.stringContaining('last') }])
    await expectRest(device, WAITING)
  })

  test('in a commit after the last checkpoint: the items pushed last may be lost', async () => {
    const bytes = await damagedCopy(ring)
    const attached = await Producer.attach(bytes, { clock: new FakeClock() })
    if (attached.status !== 'attached') throw new Error('the ring is suspended')
    await attached.producer.append([item(30, 700)])
    const device = new UnreadableBlockDevice(await damagedCopy(bytes)).spoil(block(35))
    expect(unreadableIn(await verifyRing(device))).toEqual([['end of the log', block(34)]])
    const { actions } = await repaired(device, { zeroUnreadable: true })
    expect(actions).toMatchObject([{ offset: block(35), cost: expect.stringContaining('last') }])
  })

  test('in a full ring, whose end is its beginning', async () => {
    const full = await smallRing(8)
    await pushBatches(
      full,
      Array.from({ length: 8 }, (_, number) => [item(number)]),
    )
    const device = new UnreadableBlockDevice(full).spoil(block(0))
    const report = await verifyRing(device)
    expect(report.findings).toMatchObject([{ numbers: { first: 1, last: 1 } }])
    const { actions } = await repaired(device, { zeroUnreadable: true })
    expect(actions).toMatchObject([{ cost: 'gives up items 1 to 1' }])
  })
})

/**
 * The ring works again: all but these items come out, and one that stops at damage is told of each item that is
 * missing.
 */
async function expectGap(
  device: UnreadableBlockDevice,
  first: number,
  last: number,
): Promise<void> {
  const stopping = await Consumer.attach(device, { clock: new FakeClock() })
  const before = WAITING.filter((number) => number < first)
  const popped = before.length > 0 ? await stopping.popMany() : []
  expect(numbers(popped)).toEqual(before)
  let from = popped.at(-1)?.position ?? stopping.position
  for (let missing = last - first + 1; missing > 0; ) {
    const error = await stopping.popMany({ from }).catch((caught: unknown) => caught)
    if (!isRingError(error)) throw new Error('popped what is lost')
    const { items = 0, position = '' } = error.details
    expect([error.code, items > 0]).toEqual(['RING_DAMAGED', true])
    missing -= items
    from = parsePosition(position)
  }
  const behind = WAITING.filter((number) => number > last)
  expect(numbers(await stopping.popMany({ from }))).toEqual(behind)
  await stopping.advance(from)
  await stopping.close()
  expect((await inspectRing(device)).stats?.damagedItems).toBe(last - first + 1)
  await expectRest(device, behind)
}

/** A consumer that skips damage gets these, and the producer goes on. */
async function expectRest(device: UnreadableBlockDevice, rest: readonly number[]): Promise<void> {
  expect(numbers(await take(device, 100, 'skip'))).toEqual(rest)
  await pushBatches(device, [[item(99)]])
  expect(numbers(await take(device, 100, 'skip'))).toEqual([99])
}

describe('a sector that can be read after all', () => {
  test('at the second try: it is neither reported nor lost', async () => {
    for (const offset of [0, SUPERBLOCKS[1], PRODUCER[1], CONSUMER[0], block(24), block(31)]) {
      const device = (await spoiled()).spoil(offset, BLOCK, 1)
      expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
      device.spoil(offset, BLOCK, 1)
      const report = await repairRing(device, { write: true, zeroUnreadable: true })
      expect(report).toMatchObject({ actions: [], left: [] })
      expect(device.written).toEqual([])
    }
  })

  test('at any time before the write: nothing is written', async () => {
    for (const offset of [SUPERBLOCKS[1], PRODUCER[1], block(24), block(31)]) {
      const options = { write: true, zeroUnreadable: true }
      let refused = 0
      for (let failures = 1; ; failures++) {
        const device = (await spoiled()).spoil(offset, BLOCK, failures)
        const result = await repairRing(device, options).catch((error: unknown) => error)
        if (device.written.length > 0) break
        if (result instanceof Error) {
          refused++
          expect(result).toMatchObject({ code: 'RING_UNSTABLE' })
        } else {
          expect(result).toMatchObject({ actions: [], left: [] })
        }
        device.sectors.clear()
        expect(numbers(await take(device, 100))).toEqual(WAITING)
      }
      expect(refused).toBeGreaterThan(0)
    }
  })

  test('with another one, right before the write: neither is written', async () => {
    const device = await spoiled(block(24), block(31))
    const hooked = new HookedDevice(device)
    hooked.before = ({ operation }) => {
      if (operation === 'flush') device.sectors.delete(block(31) / BLOCK)
    }
    const options = { write: true, zeroUnreadable: true }
    await expect(repairRing(hooked, options)).rejects.toMatchObject({ code: 'RING_UNSTABLE' })
    expect(device.written).toEqual([])
  })
})

test('an unreadable sector after a ring whose device has grown is reported, and left alone', async () => {
  const grown = await damagedCopy(ring)
  const { sizeSectors } = await grown.getInfo()
  await grown.resize(sizeSectors + 16)
  const device = new UnreadableBlockDevice(grown)
  const offset = (sizeSectors + 3) * BLOCK
  device.spoil(offset)
  expect(unreadableIn(await verifyRing(device))).toEqual([['after the ring', offset]])
  const { actions, left } = await repaired(device, { zeroUnreadable: true })
  expect([actions, left.length]).toEqual([[], 1])
})

test('a ring with an unreadable sector anywhere works after a repair, which reports all that is lost', async () => {
  const { sizeSectors } = await ring.getInfo()
  for (let sector = 0; sector < sizeSectors; sector++) {
    const device = await spoiled(sector * BLOCK)
    const report = await verifyRing(device)
    expect([sector, report.findings.length, report.sound]).toEqual([sector, 1, false])
    const { actions, left } = await repaired(device, { zeroUnreadable: true })
    expect([sector, actions.length]).toEqual([sector, 1])
    const after = await verifyRing(device)
    expect(after.damagedItems).toBe(report.damagedItems)
    const stays = after.findings.filter(({ severity }) => severity === 'damage')
    expect([sector, left.map((finding) => finding.numbers)]).toEqual([
      sector,
      stays.map((finding) => finding.numbers),
    ])
    const popped = numbers(await take(device, 100, 'skip'))
    const { first = 0, last = 0 } = report.findings[0]?.numbers ?? {}
    const kept = WAITING.filter((fill) => fill + 1 < first || fill + 1 > last)
    expect([sector, popped]).toEqual([sector, kept])
    await pushBatches(device, [[item(99)]])
  }
})
