import { describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import type { Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import type { RepairOptions } from '../../../src/ring/report/repair.ts'
import { Random } from '../../../src/sim/world/random.ts'
import { BLOCK, DATA, damagedCopy, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { FakeClock, instant } from '../../helpers/fake-clock.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { attachProducer } from '../../helpers/ring.ts'

const BLOCKS = 24
const SUPERBLOCKS = [12_288, 16_384, DATA + BLOCKS * BLOCK] as const
const PRODUCER = [20_480, 24_576] as const
const CONSUMER = [28_672, 32_768] as const
const LEASES = [36_864, 40_960] as const
/** Enough bytes of a lease to damage it: of one that nobody ever had, some may rot. */
const lease = (offset: number): readonly number[] => Array.from({ length: 8 }, (_, n) => offset + n)

const item = (number: number, length = 40): Uint8Array => new Uint8Array(length).fill(number)
const numbers = (
  popped: readonly { readonly item: Uint8Array }[],
): readonly (number | undefined)[] => popped.map((each) => each.item[0])

/** Items 1 to 5 were acknowledged; 6 to 12 wait. */
async function makeRing(): Promise<MemoryBlockDevice> {
  const device = await smallRing(BLOCKS, { name: 'jobs' })
  await pushBatches(device, [[item(1), item(2)], [item(3, 700)], [item(4), item(5), item(6)]])
  await take(device, 5)
  await pushBatches(device, [[item(7, 1000)], [item(8), item(9)], [item(10), item(11), item(12)]])
  return device
}

const WAITING = [6, 7, 8, 9, 10, 11, 12]

describe('a structure with one damaged copy', () => {
  test.each([
    ['guard', [0]],
    ['guard', [8000]],
    ['superblock 1', [SUPERBLOCKS[0] + 70]],
    ['superblock 2', [SUPERBLOCKS[1] + 8]],
    ['superblock 3', [SUPERBLOCKS[2] + 500]],
    ['producer slot 1', [PRODUCER[0] + 80]],
    ['producer slot 2', [PRODUCER[1] + 80]],
    ['consumer slot 1', [CONSUMER[0] + 80]],
    ['consumer slot 2', [CONSUMER[1] + 80]],
    ['two superblocks', [SUPERBLOCKS[0] + 70, SUPERBLOCKS[2] + 70]],
    ['one of each', [3, SUPERBLOCKS[1] + 1, PRODUCER[0] + 1, CONSUMER[1] + 1]],
  ])('%s: a dry run tells, a run repairs, another one finds nothing', async (_, places) => {
    const ring = await makeRing()
    const damaged = await damagedCopy(ring, ...places)
    const device = new HookedDevice(damaged)
    const planned = await repairRing(device)
    expect(planned).toMatchObject({ format: 2, written: false, left: [] })
    expect(planned.actions).toHaveLength(places.length)
    expect(device.take().every(({ operation }) => operation === 'read')).toBe(true)
    const { findings } = await verifyRing(device)
    expect(findings.map(({ structure }) => structure)).toEqual(
      planned.actions.map(({ structure }) => structure),
    )
    expect(await repairRing(device, { write: true })).toEqual({ ...planned, written: true })
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    expect(await repairRing(device, { write: true })).toMatchObject({ actions: [], left: [] })
    expect(numbers(await take(damaged, 100))).toEqual(WAITING)
  })

  test('all but one copy of everything: another run completes a repair that was cut short at any write', async () => {
    const ring = await makeRing()
    const places = [700, SUPERBLOCKS[0], SUPERBLOCKS[1], PRODUCER[1], CONSUMER[0]]
    const damaged = await damagedCopy(ring, ...places.map((offset) => offset + 1))
    for (let writes = 0; ; writes++) {
      const device = await damagedCopy(damaged)
      const hooked = new HookedDevice(device)
      let left = writes
      hooked.before = ({ operation }) => {
        if (operation === 'write' && left-- === 0) throw new Error('cut')
      }
      const cut = await repairRing(hooked, { write: true }).then(
        () => false,
        () => true,
      )
      const after = await repairRing(device, { write: true })
      expect(after.actions).toHaveLength(places.length - Math.min(writes, places.length))
      expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
      expect(numbers(await take(device, 100))).toEqual(WAITING)
      if (!cut) break
    }
  })

  test('the device is flushed before anything is written, and each write is durable', async () => {
    const ring = await makeRing()
    const device = new HookedDevice(await damagedCopy(ring, SUPERBLOCKS[0], PRODUCER[0]))
    await repairRing(device, { write: true })
    const changes = device.take().filter(({ operation }) => operation !== 'read')
    expect(changes.map(({ operation, durable }) => [operation, durable])).toEqual([
      ['flush', false],
      ['write', true],
      ['write', true],
    ])
  })

  test('unknown fields of a superblock are kept', async () => {
    const ring = await makeRing()
    const before = await deviceBytes(ring)
    const device = await damagedCopy(ring, SUPERBLOCKS[1] + 3)
    await repairRing(device, { write: true })
    expect(hex(await deviceBytes(device))).toBe(hex(before))
  })
})

test('damaged items and batches stay as they are', async () => {
  const ring = await makeRing()
  const device = await damagedCopy(ring, DATA + 6 * BLOCK, DATA + 7 * BLOCK + 100)
  const before = hex(await deviceBytes(device))
  expect(await repairRing(device, { write: true, rebuild: true })).toMatchObject({ actions: [] })
  expect(hex(await deviceBytes(device))).toBe(before)
})

test.each([
  ['producer', LEASES[0]],
  ['consumer', LEASES[1]],
] as const)(
  'a damaged lease of a %s stays, and is told as verify tells it',
  async (role, offset) => {
    const device = await damagedCopy(await makeRing(), ...lease(offset))
    const before = hex(await deviceBytes(device))
    const { left, actions } = await repairRing(device, { write: true, rebuild: true })
    expect(actions).toEqual([])
    expect(left).toEqual((await verifyRing(device)).findings)
    const advice = expect.stringContaining(`sbr lease break ${device.name} --role ${role}`)
    expect(left).toMatchObject([{ structure: `${role} lease`, advice }])
    expect(hex(await deviceBytes(device))).toBe(before)
  },
)

test('superblocks that are whole and disagree are left alone', async () => {
  const ring = await makeRing()
  const other = await smallRing(BLOCKS, { uuid: item(1, 16) })
  const block = new Uint8Array(BLOCK)
  await other.read(SUPERBLOCKS[2] / BLOCK, [block])
  await ring.write(SUPERBLOCKS[2] / BLOCK, [block])
  const report = await repairRing(ring, { write: true })
  expect(report).toMatchObject({ actions: [], left: [{ structure: 'superblocks' }] })
})

test('a ring without any superblock is left alone', async () => {
  const device = await damagedCopy(await makeRing(), ...SUPERBLOCKS)
  const report = await repairRing(device, { write: true, rebuild: true })
  expect(report).toMatchObject({ actions: [], left: [{ structure: 'superblock' }] })
})

describe('both slots of a role', () => {
  const lost = {
    producer: PRODUCER.map((offset) => offset + 5),
    consumer: CONSUMER.map((offset) => offset + 5),
    both: [...PRODUCER, ...CONSUMER].map((offset) => offset + 5),
  }

  test.each(['producer', 'consumer'] as const)(
    'of the %s are left alone unless asked',
    async (role) => {
      const device = await damagedCopy(await makeRing(), ...lost[role])
      const report = await repairRing(device, { write: true })
      expect(report.actions).toEqual([])
      expect(report.left.map(({ structure }) => structure)).toEqual([
        `${role} slot 1`,
        `${role} slot 2`,
      ])
    },
  )

  /** Repairs, and answers what a consumer is given then. */
  async function rebuilt(
    device: MemoryBlockDevice,
    options: RepairOptions = {},
  ): Promise<readonly (number | undefined)[]> {
    const report = await repairRing(device, {
      write: true,
      rebuild: true,
      clock: instant,
      ...options,
    })
    expect(report.left).toEqual([])
    expect(report.actions.every(({ cost }) => cost !== undefined)).toBe(true)
    const verified = await verifyRing(device, { clock: instant })
    expect(verified.findings.filter(({ severity }) => severity === 'damage')).toEqual([])
    const popped = numbers(await take(await damagedCopy(device), 1000))
    expect(verified.log?.items).toBe(popped.length)
    return popped
  }

  test('of the producer are rebuilt: all waiting items are there, and the ring works', async () => {
    const device = await damagedCopy(await makeRing(), ...lost.producer)
    expect(await rebuilt(device)).toEqual(WAITING)
    await pushBatches(device, [[item(13)]])
    expect(numbers(await take(device, 100))).toEqual([...WAITING, 13])
  })

  test('of the consumer are rebuilt: all items that still exist are delivered again', async () => {
    const device = await damagedCopy(await makeRing(), ...lost.consumer)
    const popped = await rebuilt(device)
    expect(popped.slice(-WAITING.length)).toEqual(WAITING)
    expect(popped).toEqual(Array.from({ length: popped.length }, (_, n) => 13 - popped.length + n))
  })

  test('of both are rebuilt', async () => {
    const device = await damagedCopy(await makeRing(), ...lost.both)
    expect((await rebuilt(device)).slice(-WAITING.length)).toEqual(WAITING)
    await pushBatches(device, [[item(13)]])
    expect(numbers(await take(device, 100)).slice(-8)).toEqual([...WAITING, 13])
  })

  test.each(['producer', 'consumer', 'both'] as const)(
    'of the %s are rebuilt: other damage is reported before and after',
    async (role) => {
      const places = [...lost[role], ...lease(LEASES[0]), DATA + 5 * BLOCK + 100]
      const device = await damagedCopy(await makeRing(), ...places)
      const planned = await repairRing(device, { rebuild: true })
      const report = await repairRing(device, { rebuild: true, write: true })
      expect(report).toEqual({ ...planned, written: true })
      expect(report.left).toMatchObject([{ structure: 'producer lease' }, { items: 1 }])
      const { findings } = await verifyRing(device)
      expect(report.left).toEqual(findings)
    },
  )

  test('of the producer are rebuilt: an incomplete last batch is reported', async () => {
    const ring = await makeRing()
    const { actions } = await repairRing(await damagedCopy(ring, ...lost.producer), {
      rebuild: true,
    })
    expect(actions[0]?.action).not.toContain('incomplete')
    const before = await deviceBytes(ring)
    const producer = await attachProducer(ring, { clock: new FakeClock() })
    await producer.append([item(13), item(14, 3)])
    const after = await deviceBytes(ring)
    const at = Array.from(after).findLastIndex((byte, n) => byte !== before[n])
    const torn = await repairRing(await damagedCopy(ring, ...lost.producer, at), { rebuild: true })
    expect(torn.actions[0]?.action).toMatch(/a batch of 2 items at LSN \d+ that is incomplete/)
  })

  test.each(['producer', 'consumer', 'both'] as const)(
    'of a new ring are rebuilt: %s',
    async (role) => {
      const device = await damagedCopy(await smallRing(BLOCKS), ...lost[role])
      expect(await rebuilt(device)).toEqual([])
      await pushBatches(device, [[item(1)]])
      expect(numbers(await take(device, 100))).toEqual([1])
    },
  )

  test('a suspended ring stays suspended', async () => {
    const ring = await makeRing()
    for (const role of ['producer', 'consumer'] as const) {
      const device = await damagedCopy(ring)
      await suspend(device)
      const damaged = await damagedCopy(device, ...lost[role])
      await repairRing(damaged, { write: true, rebuild: true })
      expect(await Producer.attach(damaged)).toEqual({ status: 'suspended' })
      const { producer, consumer } = await inspectRing(damaged)
      expect([producer.suspendAck, consumer.suspend]).toEqual([true, true])
    }
  })

  test('uncommitted items stay uncommitted; a torn batch at the end is left out', async () => {
    const ring = await makeRing()
    const producer = await attachProducer(ring, { clock: new FakeClock() })
    await producer.append([item(13)])
    const pushed = await producer.pushMany([item(14), item(15)])
    if (pushed.status !== 'ok' || pushed.positions[0] === undefined) throw new Error('no room')
    await producer.advance(pushed.positions[0])
    await producer.push(item(16))
    const device = await damagedCopy(ring, ...lost.producer)
    expect(await rebuilt(device)).toEqual([...WAITING, 13, 14])
    const before = await deviceBytes(ring)
    await producer.append([item(17)])
    const after = await deviceBytes(ring)
    const at = Array.from(after).findLastIndex((byte, n) => byte !== before[n])
    const torn = await damagedCopy(ring, ...lost.producer, at)
    expect(await rebuilt(torn)).toEqual([...WAITING, 13, 14])
  })

  test('what an epoch left after the beginning of the next one is no part of the log', async () => {
    const device = await smallRing(BLOCKS)
    await pushBatches(device, [[item(1)]])
    const producer = await attachProducer(device, { clock: new FakeClock() })
    await producer.push(item(2))
    await producer.append([item(3, 700)])
    // The power fails: the last block of that is lost, and the next producer begins where the push was.
    const cut = await damagedCopy(device, DATA + 3 * BLOCK + 200)
    await pushBatches(cut, [[item(4)]])
    expect(numbers(await take(await damagedCopy(cut), 100))).toEqual([1, 4])
    expect(await rebuilt(await damagedCopy(cut, ...lost.both))).toEqual([1, 4])
  })

  test('a log with a hole larger than an attaching producer looks behind continues after it', async () => {
    const large = 400_000
    const device = await smallRing(40_000)
    await pushBatches(
      device,
      Array.from({ length: 45 }, (_, n) => [item(n + 1, large)]),
    )
    const damaged = await damagedCopy(device, ...lost.producer)
    await damaged.writeZeroes(DATA / BLOCK + 2000, Math.ceil(13_000_000 / BLOCK))
    await repairRing(damaged, { write: true, rebuild: true })
    const popped = numbers(await take(damaged, 1000, 'skip'))
    expect(popped.slice(0, 2)).toEqual([1, 2])
    expect(popped.at(-1)).toBe(45)
    expect(popped.length).toBeLessThan(20)
  })

  test.each(['wait', 'overwrite'] as const)(
    'all waiting items are delivered in order, whatever happened to the ring before (%s)',
    async (onFull) => {
      let repeated = 0
      for (let seed = 1; seed <= 30; seed++) {
        const random = Random.of(seed)
        const device = await smallRing(BLOCKS, { onFull })
        const { waiting, all } = await history(device, random)
        for (const role of ['producer', 'consumer', 'both'] as const) {
          const popped = await rebuilt(await damagedCopy(device, ...lost[role]))
          if (role === 'producer' && onFull === 'wait') {
            expect([seed, popped]).toEqual([seed, waiting])
          } else {
            // The newest of all that were ever committed, at least those that wait: also what was given up, if it is
            // there.
            const from = all.length - popped.length
            expect([seed, popped]).toEqual([seed, all.slice(from)])
            expect(popped.length).toBeGreaterThanOrEqual(waiting.length)
            repeated += popped.length - waiting.length
          }
        }
      }
      expect(repeated).toBeGreaterThan(50)
    },
  )
})

/** A life of a ring: what waits at its end, and all that were ever committed. */
async function history(
  device: MemoryBlockDevice,
  random: Random,
): Promise<{ readonly waiting: readonly number[]; readonly all: readonly number[] }> {
  const all: number[] = []
  let count = 0
  for (let life = random.between(1, 4); life > 0; life--) {
    const producer = await attachProducer(device, { clock: new FakeClock() })
    const uncommitted: { readonly item: Uint8Array; readonly position: Position }[] = []
    for (let step = random.between(1, 12); step > 0; step--) {
      const items = Array.from({ length: random.between(1, 3) }, () =>
        item((count++ % 250) + 1, random.between(1, 500)),
      )
      const commits = random.chance(0.6)
      const result = await (commits ? producer.append(items) : producer.pushMany(items))
      if (result.status === 'ok') {
        result.positions.forEach((position, index) => {
          uncommitted.push({ item: items[index] ?? item(0), position })
        })
        if (commits) all.push(...numbersOf(uncommitted.splice(0).map((each) => each.item)))
      }
      const committed = uncommitted.splice(0, random.below(uncommitted.length + 1))
      const last = committed.at(-1)
      if (last !== undefined && random.chance(0.5)) {
        await producer.advance(last.position)
        all.push(...numbersOf(committed.map((each) => each.item)))
      } else {
        uncommitted.unshift(...committed)
      }
      if (random.chance(0.4)) await take(device, random.between(1, 5))
    }
    await producer.close()
  }
  const waiting = numbersOf((await take(await damagedCopy(device), 1000)).map((each) => each.item))
  return { waiting, all }
}

function numbersOf(items: readonly Uint8Array[]): readonly number[] {
  return items.map((each) => each[0] ?? 0)
}

async function suspend(device: MemoryBlockDevice): Promise<void> {
  const consumer = await Consumer.attach(device, { clock: new FakeClock() })
  await consumer.suspend()
  await consumer.close()
  expect(await Producer.attach(device)).toEqual({ status: 'suspended' })
}
