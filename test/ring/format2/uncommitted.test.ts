import { beforeAll, describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { isRingError } from '../../../src/errors.ts'
import { asPosition, type Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import { BLOCK, DATA, damagedCopy, smallRing } from '../../helpers/damage.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { attachProducer } from '../../helpers/ring.ts'

const MIB = 1 << 20
/** Of the large rings. An item of 1 MiB is a batch of so many of them. */
const LARGE_BLOCK = 4096
const ITEM_BLOCKS = 257
const PRODUCER_SLOTS = [20_480, 24_576] as const

const item = (number: number, length: number): Uint8Array => new Uint8Array(length).fill(number)

async function push(producer: Producer, ...items: readonly Uint8Array[]): Promise<Position> {
  const result = await producer.pushMany(items)
  const last = result.status === 'ok' ? result.positions[0] : undefined
  if (last === undefined) throw new Error(result.status)
  return last
}

/** Items by their first byte, and how many are damaged, as a consumer is told once the next producer has attached. */
async function delivered(device: MemoryBlockDevice): Promise<readonly (number | string)[]> {
  const clock = new FakeClock()
  await using _producer = await attachProducer(device, { clock })
  await using consumer = await Consumer.attach(device, { clock })
  const found: (number | string)[] = []
  for (let from = consumer.position; ; ) {
    try {
      const [popped] = await consumer.popMany({ maxItems: 1, from })
      if (popped === undefined) return found
      found.push(popped.item[0] ?? -1)
      from = popped.position
    } catch (error) {
      if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
      found.push(`${error.details.items} damaged`)
      from = parsePosition(error.details.position)
    }
  }
}

/** A ring of 48 MiB, and a producer that never idles, so that it writes its slots only when it has to. */
async function largeRing(): Promise<{ device: MemoryBlockDevice; producer: Producer }> {
  const device = new MemoryBlockDevice({ sizeSectors: (48 * MIB) / BLOCK })
  await Producer.create(device, { format: 2, blockSize: LARGE_BLOCK })
  return {
    device,
    producer: await attachProducer(device, { clock: new FakeClock(), maxItemBytes: 32 * MIB }),
  }
}

describe('damage to items committed long after the last checkpoint, once the producer was killed', () => {
  const all = Array.from({ length: 30 }, (_, index) => index + 1)
  /** Before the marker that commits them, and with it: to be copied. */
  let [uncommitted, committed]: MemoryBlockDevice[] = []

  beforeAll(async () => {
    const { device, producer } = await largeRing()
    for (const number of all) await push(producer, item(number, MIB))
    uncommitted = await damagedCopy(device)
    await producer.advance(producer.position)
    committed = device
  })

  /** A copy with damage. */
  const copyOf = (
    from: MemoryBlockDevice | undefined,
    ...at: number[]
  ): Promise<MemoryBlockDevice> => damagedCopy(from as MemoryBlockDevice, ...at)

  test.each([0, 1, 20, 29])(
    'is found in item %i of 30 MiB that one marker committed',
    async (at) => {
      const damaged = await copyOf(committed, DATA + at * ITEM_BLOCKS * LARGE_BLOCK + 5000)
      expect(await verifyRing(damaged)).toMatchObject({ sound: false, damagedItems: 1 })
      expect(await delivered(damaged)).toEqual(all.map((n) => (n === at + 1 ? '1 damaged' : n)))
    },
  )

  test.each(PRODUCER_SLOTS)(
    'is found in the first item, also if the slot at %i is damaged',
    async (slot) => {
      const damaged = await copyOf(committed, DATA + 5000, slot + 70)
      expect(await delivered(damaged)).toEqual(['1 damaged', ...all.slice(1)])
    },
  )

  test('is found in the first item of a batch whose second is uncommitted', async () => {
    const { device, producer } = await largeRing()
    const first = await push(producer, item(1, 600), item(2, 600))
    for (const number of all.slice(2)) await push(producer, item(number, MIB))
    await producer.advance(first)
    // The header: nothing else tells that there was a batch.
    expect(await delivered(await damagedCopy(device, DATA + 20))).toEqual(['1 damaged'])
  })

  test('is ignored in uncommitted items, which are dropped', async () => {
    const damaged = await copyOf(uncommitted, DATA + 5000)
    expect(await verifyRing(damaged)).toMatchObject({ sound: true, findings: [] })
    expect(await delivered(damaged)).toEqual([])
  })

  test.each(PRODUCER_SLOTS)(
    'is found in an item of 20 MiB, also if the slot at %i is damaged',
    async (slot) => {
      const { device, producer } = await largeRing()
      await producer.append([item(1, 20 * MIB)])
      await producer.append([item(2, 100)])
      const damaged = await damagedCopy(device, DATA + 5000, slot + 70)
      expect(await delivered(damaged)).toEqual(['1 damaged', 2])
    },
  )
})

describe('damage beside uncommitted items', () => {
  test('is ignored in an uncommitted batch before a marker that commits an earlier one', async () => {
    const device = await smallRing(16)
    const producer = await attachProducer(device, { clock: new FakeClock() })
    const first = await push(producer, item(1, 100))
    await push(producer, item(2, 100))
    await producer.advance(first)
    const damaged = await damagedCopy(device, DATA + BLOCK + 20)
    expect((await inspectRing(damaged)).waitingItems).toBe(1)
    expect((await verifyRing(damaged)).damagedItems).toBe(0)
    expect(await delivered(damaged)).toEqual([1])
  })

  test('in the marker before an uncommitted batch does not commit that batch', async () => {
    const device = await smallRing(16)
    const producer = await attachProducer(device, { clock: new FakeClock() })
    await producer.advance(await push(producer, item(1, 100)))
    await push(producer, item(2, 100))
    const damaged = await damagedCopy(device, DATA + BLOCK + 20)
    expect((await inspectRing(damaged)).waitingItems).toBe(1)
    expect((await verifyRing(damaged)).damagedItems).toBe(0)
    expect(await delivered(damaged)).toEqual([1])
  })

  test('to committed items leaves the bytes of uncommitted ones uncounted', async () => {
    const device = await smallRing(16)
    const producer = await attachProducer(device, { clock: new FakeClock() })
    const pushed = await producer.pushMany([item(1, 100), item(2, 100), item(3, 100)])
    await push(producer, item(4, 100), item(5, 100))
    await producer.advance(
      pushed.status === 'ok' ? (pushed.positions[1] as Position) : asPosition(0n),
    )
    const damaged = await damagedCopy(device, DATA + 10)
    const next = await attachProducer(damaged, { clock: new FakeClock() })
    await next.append([item(6, 7)])
    await next.close()
    const { stats } = await inspectRing(damaged)
    expect(stats).toMatchObject({ committedItems: 3, committedBytes: 7 })
  })
})
