import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { crc32c } from '../../../src/checksum/crc32c.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { BackwardReader } from '../../../src/ring/format2/check/backward-reader.ts'
import { readRoles } from '../../../src/ring/format2/check/state.ts'
import { encodeBatch } from '../../../src/ring/format2/disk/batch.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { formatPosition } from '../../../src/ring/shared/position-text.ts'
import type { PoppedItem } from '../../../src/ring/types.ts'
import { collect } from '../../helpers/collect.ts'
import { BLOCK, DATA, damagedCopy, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { deviceBytes } from '../../helpers/golden.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { attachProducer, ringDevice } from '../../helpers/ring.ts'

const item = (number: number, length = 100): Uint8Array => new Uint8Array(length).fill(number)

/** Items by their first byte, and the code of the error that ends them. */
async function seen(items: AsyncIterable<PoppedItem>): Promise<readonly (number | string)[]> {
  const found: (number | string)[] = []
  try {
    for await (const popped of items) found.push(popped.item[0] ?? -1)
  } catch (error) {
    found.push((error as { code: string }).code)
  }
  return found
}

describe('consumed items', () => {
  test('are read newest first, also those of the batch that the consumer is in', async () => {
    const ring = await smallRing(16)
    await pushBatches(ring, [[item(1)], [item(2, 700), item(3)], [item(4), item(5), item(6)]])
    const state = await inspectRing(ring)
    expect(await seen(state.consumed())).toEqual([])
    expect(await seen(state.newest())).toEqual([6, 5, 4, 3, 2, 1])
    const popped = await take(ring, 5)
    const after = await inspectRing(ring)
    expect(await collect(after.consumed())).toEqual([...popped].reverse())
    expect(await seen(after.newest())).toEqual([6])
    await take(ring, 1)
    expect(await seen((await inspectRing(ring)).consumed())).toEqual([6, 5, 4, 3, 2, 1])
    expect(await seen((await inspectRing(ring)).newest())).toEqual([])
  })

  test('are read across epochs, without uncommitted ones', async () => {
    const ring = await smallRing(16)
    const clock = new FakeClock()
    const first = await attachProducer(ring, { clock })
    const pushed = await first.pushMany([item(1)])
    await first.pushMany([item(2)])
    if (pushed.status !== 'ok') throw new Error(pushed.status)
    // A marker after the second item commits the first one only.
    await first.advance(pushed.position)
    expect(await seen((await inspectRing(ring)).newest())).toEqual([1])
    await first.close()
    await pushBatches(ring, [[item(3)]])
    await pushBatches(ring, [[item(4)]])
    expect(await seen((await inspectRing(ring)).newest())).toEqual([4, 3, 1])
    await take(ring, 2)
    const { newest, consumed } = await inspectRing(ring)
    expect(await seen(newest())).toEqual([4])
    const items = await collect(consumed())
    expect(items.map(({ position }) => formatPosition(position, 2))).toEqual(['3:2', '2:1'])
    await take(ring, 1)
    expect(await seen((await inspectRing(ring)).consumed())).toEqual([4, 3, 1])
  })

  test('end where a later lap has overwritten them', async () => {
    const ring = await smallRing(16)
    const clock = new FakeClock()
    const producer = await attachProducer(ring, { clock })
    const consumer = await Consumer.attach(ring, { clock })
    for (let number = 1; number <= 100; number++) {
      expect(await producer.append([item(number)])).toMatchObject({ status: 'ok' })
      const last = (await consumer.popMany()).at(-1)
      if (last !== undefined) await consumer.advance(last.position)
    }
    const { consumed } = await inspectRing(ring)
    const found = await seen(consumed())
    // One batch a block, and a few blocks that the ring keeps free.
    expect(found.length).toBeGreaterThan(12)
    expect(found).toEqual(found.map((_, index) => 100 - index))
  })

  test.each([
    ['header', 0],
    ['table', 80],
    ['item', 120],
  ])('end at a batch whose %s is not as it was written', async (_, at) => {
    const ring = await smallRing(16)
    await pushBatches(ring, [[item(1)], [item(2), item(3)], [item(4)], [item(5)]])
    await take(ring, 4)
    const torn = await damagedCopy(ring, DATA + BLOCK + at)
    expect(await seen((await inspectRing(torn)).consumed())).toEqual([4])
    const { consumed, newest } = await inspectRing(torn)
    expect(await seen(newest())).toEqual([5])
    expect((await collect(consumed())).length).toBe(1)
  })

  test('are reported as damaged if the batch that the consumer is in is damaged', async () => {
    const ring = await smallRing(16)
    await pushBatches(ring, [[item(1)], [item(2), item(3)]])
    await take(ring, 2)
    const torn = await damagedCopy(ring, DATA + BLOCK + 120)
    expect(await seen((await inspectRing(torn)).consumed())).toEqual(['RING_CORRUPT'])
  })

  test('are never leftovers that are not part of the log', async () => {
    const ring = await smallRing(16)
    await pushBatches(ring, [[item(1)], [item(2)], [item(3)], [item(4)]])
    await take(ring, 4)
    const sound = await deviceBytes(ring)
    const disk = await Disk.open(ring)
    const { consumer } = await readRoles(disk)
    const { logPosition } = consumer.cursor
    expect(logPosition.lsn).toBe(4)
    const back = new BackwardReader(disk, (await readRoles(disk)).producer.epochs, logPosition)
    const last = await back.before()
    const start = last?.header.start
    if (start === undefined || last === undefined) throw new Error('the last batch is not found')
    const planted = new Uint8Array(BLOCK)
    const plants: readonly (() => void)[] = [
      // All that the real one states, but for the item: its checksum is another one.
      () => encodeBatch(planted, [item(9)], { ...last.header }, disk.uuid),
      // One of another ring.
      () => encodeBatch(planted, [item(4)], { ...last.header }, disk.uuid ^ 1),
      // One of an earlier lap.
      () =>
        encodeBatch(
          planted,
          [item(9)],
          { ...last.header, start: { ...start, lsn: start.lsn + 16 } },
          disk.uuid,
        ),
      // The batch before, once more.
      () => planted.set(sound.subarray(DATA + 2 * BLOCK, DATA + 3 * BLOCK)),
    ]
    for (const plant of plants) {
      planted.fill(0)
      plant()
      const bytes = sound.slice()
      bytes.set(planted, DATA + 3 * BLOCK)
      const { consumed } = await inspectRing(await MemoryBlockDevice.from(bytes))
      expect(await seen(consumed())).toEqual([])
    }
  })

  test('are never taken from within an item, even if it holds valid checksums', async () => {
    const ring = await smallRing(32)
    const disk = await Disk.open(ring)
    const clock = new FakeClock()
    const producer = await attachProducer(ring, { clock })
    await producer.append([item(1)])
    const { consumer } = await readRoles(disk)
    expect(consumer.cursor.logPosition.lsn).toBe(0)
    // At each block of the large item, a batch that ends where the item does.
    const large = new Uint8Array(6 * BLOCK - 88)
    for (let block = 1; block < 6; block++) {
      const forged = new Uint8Array(BLOCK)
      const start = { lsn: 1 + block, seq: 2, bytes: 0, crc: crc32c(item(block)) }
      const fields = { start, epoch: 1, committedTo: 3, time: 1 }
      encodeBatch(forged, [item(66)], fields, disk.uuid)
      large.set(forged, block * BLOCK - 88)
    }
    await producer.append([large])
    await producer.append([item(3)])
    expect(await seen((await inspectRing(ring)).newest())).toEqual([3, 0, 1])
    await take(ring, 3)
    const items = await collect((await inspectRing(ring)).consumed())
    expect(items.map((each) => each.item)).toEqual([item(3), large, item(1)])
    await producer.close()
  })

  test('of a ring that overwrites may have been given up', async () => {
    const ring = await smallRing(32, { onFull: 'overwrite' })
    await pushBatches(
      ring,
      Array.from({ length: 60 }, (_, index) => [item(index)]),
    )
    const { newest, consumed } = await inspectRing(ring)
    const waiting = await collect((await inspectRing(ring)).items())
    expect(await seen(newest())).toEqual(waiting.map(({ item: [first] }) => first).reverse())
    expect(await seen(consumed())).toEqual([])
    await take(ring, 100)
    const found = await seen((await inspectRing(ring)).consumed())
    expect(found).toEqual(found.map((_, index) => 59 - index))
    expect(found.length).toBeGreaterThanOrEqual(waiting.length)
  })

  test('of a batch that was given up under the consumer are no damage', async () => {
    const ring = await smallRing(32, { onFull: 'overwrite' })
    await pushBatches(ring, [[item(1), item(2)]])
    await take(ring, 1)
    expect(await seen((await inspectRing(ring)).consumed())).toEqual([1])
    await pushBatches(
      ring,
      Array.from({ length: 60 }, (_, index) => [item(index)]),
    )
    expect(await seen((await inspectRing(ring)).consumed())).toEqual([])
  })

  test('that are larger than the limit are reported', async () => {
    const ring = await smallRing(64)
    await pushBatches(ring, [[item(1)], [item(2, 900)], [item(3)]])
    await take(ring, 3)
    const { consumed } = await inspectRing(ring, { maxItemBytes: 500 })
    expect(await seen(consumed())).toEqual([3, 'RING_ITEM_TOO_LARGE'])
  })

  test('end with the signal’s reason', async () => {
    const ring = await smallRing(16)
    await pushBatches(ring, [[item(1)]])
    await take(ring, 1)
    const stop = new AbortController()
    const { consumed } = await inspectRing(ring, { signal: stop.signal })
    stop.abort(new Error('stop'))
    await expect(collect(consumed())).rejects.toThrow('stop')
  })

  test('of format 1 are refused, with the reason', async () => {
    const { consumed, newest } = await inspectRing(await ringDevice())
    await expect(collect(consumed())).rejects.toMatchObject({
      code: 'RING_UNSUPPORTED',
      message: expect.stringContaining('no checksum'),
    })
    expect(await seen(newest())).toEqual(['RING_UNSUPPORTED'])
  })
})

describe('waiting items, newest first', () => {
  test('are read only as far as asked', async () => {
    const ring = await smallRing(4096)
    await pushBatches(
      ring,
      Array.from({ length: 2000 }, (_, index) => [item(index, 400)]),
    )
    const hooked = new HookedDevice(ring)
    const { newest } = await inspectRing(hooked)
    hooked.take()
    for await (const { item: last } of newest()) {
      expect(last[0]).toBe(1999 & 255)
      break
    }
    expect(hooked.take().map(({ operation, bytes }) => [operation, bytes])).toEqual([
      ['read', 64 << 10],
    ])
  })

  test('end with an error at damage, before which more wait', async () => {
    const ring = await smallRing(16)
    await pushBatches(ring, [[item(1)], [item(2), item(3)], [item(4)]])
    const torn = await damagedCopy(ring, DATA + BLOCK + 120)
    expect(await seen((await inspectRing(torn)).newest())).toEqual([4, 'RING_CORRUPT'])
  })

  test('end without an error where the consumer has passed meanwhile', async () => {
    const ring = await smallRing(16)
    await pushBatches(
      ring,
      Array.from({ length: 10 }, (_, index) => [item(index)]),
    )
    const { newest } = await inspectRing(ring)
    await take(ring, 10)
    await pushBatches(
      ring,
      Array.from({ length: 10 }, (_, index) => [item(20 + index)]),
    )
    const found = await seen(newest())
    expect(found).toEqual(found.map((_, index) => 9 - index))
    expect(found.length).toBeLessThan(10)
  })
})

describe('following a ring', () => {
  async function followed(ring: MemoryBlockDevice) {
    const follower = (await inspectRing(ring)).follow()
    return async (): Promise<readonly (number | string)[]> => {
      const found: (number | string)[] = []
      for (;;) {
        try {
          const { items, missedItems: missed = 0 } = await follower.read()
          if (missed > 0) found.push(`${missed} missed`)
          found.push(...items.map((each) => each.item[0] ?? -1))
          if (items.length === 0 && missed === 0) return found
        } catch (error) {
          found.push((error as { code: string }).code)
        }
      }
    }
  }

  test('reads items as they are committed, across epochs, whether consumed or not', async () => {
    const ring = await smallRing(64)
    await pushBatches(ring, [[item(1)], [item(2), item(3)]])
    const read = await followed(ring)
    expect(await read()).toEqual([])
    await pushBatches(ring, [[item(4)], [item(5), item(6)]])
    expect(await read()).toEqual([4, 5, 6])
    expect(await read()).toEqual([])
    await pushBatches(ring, [[item(7)]])
    await take(ring, 10)
    expect(await read()).toEqual([7])
  })

  test('reads items that were pushed before and are committed now', async () => {
    const ring = await smallRing(64)
    const producer = await attachProducer(ring, { clock: new FakeClock() })
    const first = await producer.pushMany([item(1)])
    await producer.pushMany([item(2), item(3)])
    if (first.status !== 'ok') throw new Error(first.status)
    await producer.advance(first.position)
    const read = await followed(ring)
    expect(await read()).toEqual([])
    await producer.advance(producer.position)
    expect(await read()).toEqual([2, 3])
    await producer.append([item(4)])
    expect(await read()).toEqual([4])
    await producer.close()
  })

  test('continues at the consumer, and reports items that were overwritten before it read them', async () => {
    const ring = await smallRing(16)
    await pushBatches(ring, [[item(0)]])
    await take(ring, 1)
    const read = await followed(ring)
    let pushed = 0
    for (let lap = 0; lap < 5; lap++) {
      await pushBatches(
        ring,
        Array.from({ length: 8 }, () => [item(++pushed)]),
      )
      if (lap < 4) await take(ring, 8)
    }
    const [missed, ...items] = await read()
    expect(missed).toBe('32 missed')
    expect(items).toEqual([33, 34, 35, 36, 37, 38, 39, 40])
  })

  test('reports items that were given up in a ring that overwrites', async () => {
    const ring = await smallRing(32, { onFull: 'overwrite' })
    const read = await followed(ring)
    await pushBatches(
      ring,
      Array.from({ length: 100 }, (_, index) => [item(index)]),
    )
    const [missed, ...items] = await read()
    const count = Number.parseInt(String(missed), 10)
    expect(missed).toBe(`${count} missed`)
    expect(items).toEqual(Array.from({ length: 100 - count }, (_, index) => count + index))
  })

  test('reports damage once, and continues after it', async () => {
    const ring = await smallRing(32)
    const read = await followed(ring)
    await pushBatches(ring, [[item(1)], [item(2), item(3)], [item(4)]])
    const block = new Uint8Array(BLOCK)
    await ring.read((DATA + BLOCK) / BLOCK, [block])
    block[100] = 0x41
    await ring.write((DATA + BLOCK) / BLOCK, [block])
    expect(await read()).toEqual([1, 'RING_DAMAGED', 3, 4])
    await pushBatches(ring, [[item(5)]])
    expect(await read()).toEqual([5])
  })
})

test('needs no producer', async () => {
  const ring = new MemoryBlockDevice({ sizeSectors: 256 })
  await Producer.create(ring, { blockSize: 512 })
  const { newest, consumed, follow } = await inspectRing(ring)
  expect([await seen(newest()), await seen(consumed()), await follow().read()]).toEqual([
    [],
    [],
    { items: [], missedItems: 0 },
  ])
})
