import { channel } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { systemClock } from '../../src/clock.ts'
import { BlockError } from '../../src/errors.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { migrateRing } from '../../src/ring/maintenance/migrate.ts'
import type { CreateOptions } from '../../src/ring/types.ts'
import { collect } from '../helpers/collect.ts'
import { damagedCopy, pushBatches, smallRing } from '../helpers/damage.ts'
import { deviceBytes } from '../helpers/golden.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer } from '../helpers/ring.ts'

const SMALL: CreateOptions = { format: 2, blockSize: 512 }
const COUNT = 60

async function ring(options: CreateOptions, kib = 128): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: kib * 2 })
  await Producer.create(device, options)
  return device
}

function itemOf(number: number): Buffer {
  return Buffer.from(`${number} `.padEnd(4 + ((number * 37) % 300), '.'))
}

async function fill(device: BlockDevice, first: number, count: number): Promise<void> {
  const producer = await attachProducer(device)
  for (let number = first; number < first + count; number++) await append(producer, itemOf(number))
  await producer.close()
}

async function numbersIn(device: BlockDevice): Promise<number[]> {
  const items = await collect((await inspectRing(device)).items())
  return items.map(({ item }) => {
    const number = Number.parseInt(Buffer.from(item).toString(), 10)
    expect(Buffer.from(item)).toEqual(itemOf(number))
    return number
  })
}

const range = (first: number, end: number): number[] =>
  Array.from({ length: end - first }, (_, index) => first + index)

describe.each<[string, CreateOptions, CreateOptions]>([
  ['1 to 2', { format: 1 }, SMALL],
  ['2 to 2', SMALL, { format: 2 }],
  ['2 to 1', SMALL, { format: 1 }],
  ['1 to 1', { format: 1 }, { format: 1 }],
])('migrating format %s', (_name, old, fresh) => {
  test('moves all items, in order', async () => {
    const from = await ring(old)
    const to = await ring(fresh, 512)
    await fill(from, 0, COUNT)
    const done: number[] = []
    const moved = await migrateRing(from, to, { onProgress: ({ items }) => done.push(items) })
    expect(moved).toMatchObject({ items: COUNT, movedBefore: 0 })
    expect(done.at(-1)).toBe(COUNT)
    expect(await numbersIn(to)).toEqual(range(0, COUNT))
    expect(await numbersIn(from)).toEqual([])
    expect(await migrateRing(from, to)).toEqual({
      ...{ items: 0, bytes: 0, movedBefore: 0, damagedItems: 0, missedItems: 0 },
    })
    // What came later is added on purpose only.
    await fill(from, COUNT, 5)
    await expect(migrateRing(from, to)).rejects.toMatchObject({ code: 'RING_NOT_BLANK' })
    expect(await migrateRing(from, to, { add: true })).toMatchObject({ items: 5 })
    expect(await numbersIn(to)).toEqual(range(0, COUNT + 5))
  })

  test('keeps them in the old ring, if it is told to; and moves nothing twice', async () => {
    const from = await ring(old)
    const to = await ring(fresh, 512)
    await fill(from, 0, COUNT)
    expect(await migrateRing(from, to, { keep: true })).toMatchObject({ items: COUNT })
    await fill(from, COUNT, 3)
    expect(await migrateRing(from, to, { keep: true })).toMatchObject({
      items: 3,
      movedBefore: COUNT,
    })
    expect(await numbersIn(from)).toEqual(range(0, COUNT + 3))
    expect(await migrateRing(from, to)).toMatchObject({ items: 0, movedBefore: COUNT + 3 })
    expect(await numbersIn(to)).toEqual(range(0, COUNT + 3))
    expect(await numbersIn(from)).toEqual([])
  })

  test('continues where it was cut short, whichever write fails', async () => {
    let cuts = 0
    for (let write = 0; ; write++) {
      const from = new HookedDevice(await ring(old))
      const to = new HookedDevice(await ring(fresh, 512))
      await fill(from, 0, COUNT)
      let left = write
      const before = ({ operation }: { readonly operation: string }): void => {
        if (operation === 'write' && left-- === 0) {
          throw new BlockError('BLOCK_IO', 'no more', { device: 'memory' })
        }
      }
      from.before = before
      to.before = before
      let failed = false
      await migrateRing(from, to).catch(() => {
        failed = true
      })
      from.before = () => undefined
      to.before = () => undefined
      if (!failed) break
      cuts++
      await migrateRing(from, to)
      expect(await numbersIn(to)).toEqual(range(0, COUNT))
      expect(await numbersIn(from)).toEqual([])
    }
    expect(cuts).toBeGreaterThan(2)
  })
})

test('from a ring that overwrites, cut at each write: no item is in neither ring, and all are moved the next time', async () => {
  // Large ones, so that the migration takes several batches.
  const items = range(1, 8).map((number) => Buffer.alloc(400_000, number))
  const all = range(1, 8)
  const idsIn = async (device: BlockDevice): Promise<number[]> =>
    (await collect((await inspectRing(device)).items())).map(({ item }) => {
      expect(Buffer.from(item).equals(items[(item[0] ?? 0) - 1] ?? Buffer.of())).toBe(true)
      return item[0] ?? 0
    })
  const old = await ring({ format: 2, onFull: 'overwrite' }, 4096)
  const producer = await attachProducer(old)
  for (const item of items) await append(producer, item)
  await producer.close()
  const oldBytes = await deviceBytes(old)
  const newBytes = await deviceBytes(await ring({ format: 2 }, 4096))
  let cuts = 0
  for (let cut = 0; ; cut++) {
    const from = new HookedDevice(await MemoryBlockDevice.from(oldBytes))
    const to = new HookedDevice(await MemoryBlockDevice.from(newBytes))
    let left = cut
    let isCut = false
    const before = ({ operation }: { readonly operation: string }): void => {
      if (operation !== 'write' || left-- > 0) return
      isCut = true
      throw new BlockError('BLOCK_IO', 'no more', { device: 'memory' })
    }
    from.before = before
    to.before = before
    await migrateRing(from, to).catch(() => undefined)
    if (!isCut) break
    cuts++
    from.before = () => undefined
    to.before = () => undefined
    const somewhere = new Set([...(await idsIn(from)), ...(await idsIn(to))])
    expect([...somewhere].sort(), `cut at write ${cut}`).toEqual(all)
    await migrateRing(from, to)
    // The last batch may have been moved twice.
    expect([...new Set(await idsIn(to))], `cut at write ${cut}`).toEqual(all)
    expect(await idsIn(from)).toEqual([])
  }
  expect(cuts).toBeGreaterThan(9)
})

describe('the time of items', () => {
  const START = 1_700_000_000_000

  /** A ring of items that were pushed so many milliseconds after the start. */
  async function ringOf(...pushedAt: readonly number[]): Promise<MemoryBlockDevice> {
    const device = await ring(SMALL)
    let at = 0
    const clock = { ...systemClock, time: () => START + at }
    const producer = await attachProducer(device, { clock })
    for (const [number, time] of pushedAt.entries()) {
      at = time
      await append(producer, itemOf(number))
    }
    await producer.close()
    return device
  }

  /** What is told of the oldest item, as one after the other is acknowledged. */
  async function times(device: BlockDevice): Promise<(number | undefined)[]> {
    const found: (number | undefined)[] = []
    const consumer = await Consumer.attach(device)
    for (;;) {
      const { stats } = await inspectRing(device)
      const popped = await consumer.pop()
      if (popped.status !== 'item') break
      found.push(stats?.oldestAt === undefined ? undefined : stats.oldestAt - START)
      expect(stats?.lagMs).toBe((stats?.producerAt ?? 0) - (stats?.oldestAt ?? 0))
      await consumer.advance(popped.position)
    }
    await consumer.close()
    return found
  }

  test('is kept, to the second', async () => {
    const pushedAt = [0, 999, 1000, 5000, 5001, 70_000, 69_000]
    const from = await ringOf(...pushedAt)
    const to = await ring(SMALL)
    const before = Date.now()
    await migrateRing(from, to)
    const { stats } = await inspectRing(to)
    expect(stats?.producerAt).toBeGreaterThanOrEqual(before)
    // Those of one second share a commit; the producer's clock went back at the end.
    expect(stats?.commits).toBe(5)
    expect(await times(to)).toEqual([0, 0, 1000, 5000, 5000, 70_000, 69_000])
  })

  test('is kept by a migration that continues, whichever write of the earlier one failed', async () => {
    for (let write = 0; ; write++) {
      const from = await ringOf(0, 2000, 4000)
      const to = new HookedDevice(await ring(SMALL))
      let left = write
      to.before = ({ operation }) => {
        if (operation === 'write' && left-- === 0) {
          throw new BlockError('BLOCK_IO', 'no more', { device: 'memory' })
        }
      }
      const failed = await migrateRing(from, to).catch((error: unknown) => error)
      to.before = () => undefined
      expect(await migrateRing(from, to)).toMatchObject({ damagedItems: 0 })
      expect(await times(to), `cut at write ${write}`).toEqual([0, 2000, 4000])
      if (!(failed instanceof Error)) break
    }
  })

  test('is that of the migration, where format 1 records none', async () => {
    const from = await ring({ format: 1 })
    await fill(from, 0, 3)
    const to = await ring(SMALL)
    const before = Date.now()
    await migrateRing(from, to)
    expect((await inspectRing(to)).stats?.oldestAt).toBeGreaterThanOrEqual(before)
    expect(await migrateRing(to, await ring({ format: 1 }))).toMatchObject({ items: 3 })
  })
})

test('stops between two batches, and continues there', async () => {
  const from = await ring({ format: 1 }, 1024)
  const to = await ring(SMALL, 2048)
  await fill(from, 0, 2500)
  const stop = new AbortController()
  const onProgress = (): void => stop.abort(new Error('enough'))
  await expect(migrateRing(from, to, { onProgress, signal: stop.signal })).rejects.toThrow('enough')
  expect(await numbersIn(from)).toHaveLength(2500)
  expect(await migrateRing(from, to)).toMatchObject({ items: 1500, movedBefore: 1000 })
  expect(await numbersIn(to)).toEqual(range(0, 2500))
})

test('a ring with items of its own is left alone', async () => {
  const from = await ring({ format: 1 })
  const to = await ring(SMALL)
  await fill(from, 0, 3)
  await fill(to, 7, 1)
  await expect(migrateRing(from, to)).rejects.toMatchObject({ code: 'RING_NOT_BLANK' })
  expect(await numbersIn(to)).toEqual([7])
  expect(await numbersIn(from)).toEqual([0, 1, 2])
})

test('items that are damaged, or that were overwritten, are counted', async () => {
  const pushed = await smallRing(20, { onFull: 'overwrite' })
  const batches = range(0, 30).map((number) => [itemOf(number)])
  await pushBatches(pushed, batches)
  const kept = await numbersIn(pushed)
  const [first = 0] = kept
  const at = Buffer.from(await deviceBytes(pushed)).indexOf(itemOf(first + 3))
  const from = await damagedCopy(pushed, at)
  const to = await ring(SMALL)
  const [damages, told] = [channel('shared-block-ring:damage'), [] as unknown[]]
  const listen = (message: unknown): void => void told.push(message)
  damages.subscribe(listen)
  onTestFinished(() => void damages.unsubscribe(listen))
  expect(await migrateRing(from, to, { onDamage: 'skip' })).toMatchObject({
    ...{ items: kept.length - 1, damagedItems: 1, missedItems: first, movedBefore: 0 },
  })
  expect(told).toMatchObject([{ items: 1, position: expect.anything() }])
  expect(await numbersIn(to)).toEqual(kept.filter((number) => number !== first + 3))
  expect((await inspectRing(from)).stats).toMatchObject({ damagedItems: 1, missedItems: first })
})

test('says again and again that the new ring has no room', async () => {
  const from = await ring(SMALL, 256)
  const to = await ring(SMALL, 64)
  await fill(from, 0, 200)
  const stop = new AbortController()
  let blocked = 0
  const onBlocked = (): void => {
    if (++blocked === 3) stop.abort(new Error('enough'))
  }
  await expect(migrateRing(from, to, { onBlocked, signal: stop.signal })).rejects.toThrow('enough')
  expect(blocked).toBeGreaterThanOrEqual(3)
})

test.each<[string, CreateOptions]>([
  ['1', { format: 1 }],
  ['2', SMALL],
])(
  'two old rings of format %s, moved to one new ring: what the first one moved is not taken for the second one’s',
  async (_name, format) => {
    const to = await ring(SMALL, 512)
    const [first, second] = [await ring(format), await ring(format)]
    await fill(first, 0, 10)
    await fill(second, 100, 15)
    expect(await migrateRing(first, to)).toMatchObject({ items: 10 })
    await expect(migrateRing(second, to)).rejects.toMatchObject({ code: 'RING_NOT_BLANK' })
    expect(await numbersIn(second)).toEqual(range(100, 115))
    expect(await migrateRing(second, to, { add: true })).toMatchObject({
      items: 15,
      movedBefore: 0,
    })
    expect(await numbersIn(to)).toEqual([...range(0, 10), ...range(100, 115)])
  },
)

test.each<[string, CreateOptions]>([
  ['1', { format: 1 }],
  ['2', SMALL],
])('a ring of format %s is not moved to itself under another name', async (_name, format) => {
  const from = await ring(format)
  await migrateRing(await ring(format), from)
  await fill(from, 0, 10)
  let batches = 0
  const onProgress = (): void => {
    if (++batches > 3) throw new Error('without end')
  }
  const move = (to: BlockDevice): Promise<unknown> =>
    migrateRing(from, to, { add: true, onProgress })
  await expect(move(from)).rejects.toThrow('are one ring')
  await expect(move(new HookedDevice(from))).rejects.toThrow('are one ring')
  expect(await numbersIn(from)).toEqual(range(0, 10))
  // One whose claims do not tell, as of two exports of one file: some may be there twice, but none is lost.
  const unknown = new HookedDevice(from)
  unknown.claim = async () => ({ release: async () => undefined })
  await expect(move(unknown)).rejects.toThrow('are one ring')
  expect(new Set(await numbersIn(from))).toEqual(new Set(range(0, 10)))
})
