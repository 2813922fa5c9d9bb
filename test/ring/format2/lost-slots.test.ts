import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import type { Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { BLOCK, damagedCopy, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { deviceBytes } from '../../helpers/golden.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { attachProducer } from '../../helpers/ring.ts'

const PRODUCER_SLOTS = [5 * 4096, 6 * 4096]
const CONSUMER_SLOTS = [7 * 4096, 8 * 4096]

/** Flips a bit of each of some blocks of a device. */
async function flip(device: MemoryBlockDevice, ...offsets: readonly number[]): Promise<void> {
  for (const offset of offsets) {
    const block = device.allocate(BLOCK)
    await device.read(offset / BLOCK, [block])
    block[40] = (block[40] ?? 0) ^ 1
    await device.write(offset / BLOCK, [block])
  }
}

/** Where the findings of a check are. */
async function damaged(device: MemoryBlockDevice): Promise<readonly number[]> {
  const { findings } = await verifyRing(device)
  return findings.map(({ offset }) => Number(offset))
}

describe('a slot that is damaged while its handle lives', () => {
  test('is written again as of now, and takes nothing back that the other one acknowledged (seed 457 of the mix flip)', async () => {
    const device = await smallRing(16)
    const clock = new FakeClock()
    const producer = await attachProducer(device, { clock, refreshIntervalMs: 0 })
    const consumer = await Consumer.attach(device, { clock, refreshIntervalMs: 0 })
    for (let item = 0; item < 3; item++) await producer.append([new Uint8Array(3 * BLOCK)])
    for (const { position } of await consumer.popMany()) await consumer.advance(position)
    await flip(device, CONSUMER_SLOTS[1] as number)
    const pushed = await producer.push(new Uint8Array(13 * BLOCK))
    if (pushed.status !== 'ok') throw new Error(pushed.status)
    await consumer.state()
    expect(await damaged(device)).toEqual([])
    await producer.advance(pushed.position)
    expect(await consumer.popMany()).toHaveLength(1)
  })

  test.each([0, 1])('does not end a pause, whichever it is: %i', async (which) => {
    const device = await smallRing(16)
    const clock = new FakeClock()
    const producer = await attachProducer(device, { clock, refreshIntervalMs: 0 })
    const consumer = await Consumer.attach(device, { clock })
    expect(await consumer.suspend()).toEqual({ status: 'ok' })
    expect(await producer.state()).toBe('suspended')
    await flip(device, CONSUMER_SLOTS[which] as number)
    expect(await producer.append([Buffer.from('item')])).toEqual({ status: 'suspended' })
    expect(await consumer.state()).toBe('suspended')
  })

  test('leaves one that may be only in a cache: it is flushed before what it acknowledges is overwritten', async () => {
    const device = await smallRing(16)
    const clock = new FakeClock()
    const hooked = new HookedDevice(device)
    const producer = await attachProducer(hooked, { clock, refreshIntervalMs: 0 })
    const consumer = await Consumer.attach(device, { clock, refreshIntervalMs: 1e9 })
    for (let item = 0; item < 3; item++) await producer.append([new Uint8Array(3 * BLOCK)])
    const [first, second] = await consumer.popMany()
    await consumer.advance(first?.position as Position)
    const before = await deviceBytes(device)
    await consumer.advance(second?.position as Position)
    const after = await deviceBytes(device)
    const isWritten = (at: number): boolean =>
      after.subarray(at, at + BLOCK).some((byte, index) => byte !== before[at + index])
    const cached = CONSUMER_SLOTS.find(isWritten) as number
    await flip(device, ...CONSUMER_SLOTS.filter((offset) => offset !== cached))
    let isStable = false
    hooked.before = ({ operation }) => {
      if (operation === 'flush') isStable = true
    }
    for (let item = 0; item < 2; item++) await producer.append([new Uint8Array(3 * BLOCK)])
    const bytes = await deviceBytes(device)
    if (!isStable) bytes.set(before.subarray(cached, cached + BLOCK), cached)
    const cut = await Consumer.attach(await MemoryBlockDevice.from(bytes))
    expect(await cut.popMany()).toHaveLength(3)
  })

  test.each([0, 1])(
    'is written first by the next consumer, and when that is idle: %i',
    async (which) => {
      const device = await smallRing(16)
      await pushBatches(device, [[Buffer.from('one')], [Buffer.from('two')]])
      await take(device, 1)
      await flip(device, CONSUMER_SLOTS[which] as number)
      const idle = await damagedCopy(device)
      const hooked = new HookedDevice(device)
      const clock = new FakeClock()
      const consumer = await Consumer.attach(hooked, { clock })
      const [two] = await consumer.popMany()
      hooked.take()
      await consumer.advance(two?.position as Position)
      const [first] = hooked.take().filter(({ operation }) => operation === 'write')
      expect(first?.sector).toBe((CONSUMER_SLOTS[which] as number) / BLOCK)
      expect(await damaged(device)).toEqual([])
      await (await Consumer.attach(idle, { clock })).close()
      expect(await damaged(idle)).toEqual([])
    },
  )

  test('is written again, also if it is both', async () => {
    const device = await smallRing(16)
    const clock = new FakeClock()
    const producer = await attachProducer(device, { clock })
    const consumer = await Consumer.attach(device, { clock })
    await producer.append([Buffer.from('one'), Buffer.from('two')])
    const [one] = await consumer.popMany()
    await consumer.advance(one?.position as Position)
    await flip(device, ...CONSUMER_SLOTS)
    expect(await damaged(device)).toHaveLength(2)
    await consumer.state()
    expect(await damaged(device)).toEqual([])
    await flip(device, ...PRODUCER_SLOTS)
    expect(await damaged(device)).toHaveLength(2)
    await producer.state()
    expect(await damaged(device)).toEqual([])
    const next = await Consumer.attach(device, { clock }).catch((error: unknown) => error)
    expect(next).toMatchObject({ code: 'BLOCK_CLAIMED' })
    await consumer.close()
    const after = await (await Consumer.attach(device, { clock })).popMany()
    expect(after.map(({ item }) => Buffer.from(item).toString())).toEqual(['two'])
  })

  test.each(['producer', 'consumer'] as const)(
    'ends the %s if there is another ring now, or none, and changes nothing',
    async (role) => {
      for (const isAnother of [true, false]) {
        const device = await smallRing(16)
        const clock = new FakeClock()
        const producer = await attachProducer(device, { clock })
        const consumer = await Consumer.attach(device, { clock })
        const handle = role === 'producer' ? producer : consumer
        const { sizeSectors } = await device.getInfo()
        await device.write(0, [new Uint8Array(sizeSectors * BLOCK)])
        if (isAnother) await Producer.create(device, { blockSize: BLOCK })
        const before = await deviceBytes(device)
        const code = isAnother ? 'RING_ROLE_CONFLICT' : 'RING_NOT_INITIALISED'
        await expect(handle.state()).rejects.toMatchObject({ name: 'RingError', code })
        await expect(handle.state()).rejects.toMatchObject({ code: 'RING_POISONED' })
        expect(await deviceBytes(device)).toEqual(before)
      }
    },
  )
})

test('slots that both went back: positions are above all that the consumer got before', async () => {
  const device = await smallRing(16)
  const push = async (item: string): Promise<void> => {
    await pushBatches(device, [[Buffer.from(item)]])
  }
  await push('one')
  const before = await deviceBytes(device)
  await push('two')
  const two = (await take(device, 2)).at(-1)?.position as Position
  for (const offset of PRODUCER_SLOTS) {
    await device.write(offset / BLOCK, [before.slice(offset, offset + BLOCK)])
  }
  await push('three')
  const three = (await take(device, 1)).at(-1)?.position
  expect(three).toBeGreaterThan(two)
})
