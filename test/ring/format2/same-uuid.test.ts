import { expect, test } from 'vitest'
import type { BlockDevice } from '../../../src/block/device.ts'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Pool } from '../../../src/pool/index.ts'
import { Producer } from '../../../src/ring/access/attach.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { deviceBytes } from '../../helpers/golden.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { append, attachProducer } from '../../helpers/ring.ts'
import { poolDevice } from '../../pool/pools.ts'

const UUID = new Uint8Array(16).fill(7)
const MIB = 1 << 20
const RING_BYTES = 4 * MIB
const encoder = new TextEncoder()

/** Pushes items, each of which takes 64 KiB, and dies. */
async function fill(ring: BlockDevice, items: number, text: string): Promise<void> {
  // Nobody else sees the claims of a program that is dead.
  const producer = await attachProducer(new HookedDevice(ring, { claims: false }))
  for (let item = 0; item < items; item++) {
    const bytes = new Uint8Array(60_000)
    encoder.encodeInto(`${text} ${item}`, bytes)
    await append(producer, bytes)
  }
}

/** What a reader gets after the next producer has looked what the last one left. */
async function itemsAfterRestart(ring: BlockDevice): Promise<readonly string[]> {
  const again = new HookedDevice(ring, { claims: false })
  await attachProducer(again)
  const reader = await RingReader.open(again)
  const items: string[] = []
  for (;;) {
    const entries = await reader.tryReceiveMany()
    if (entries.length === 0) return items
    items.push(
      ...entries.map(({ item }) => Buffer.from(item.subarray(0, item.indexOf(0))).toString()),
    )
  }
}

test('a ring that is made again with its UUID has nothing of the last one: on a device whose start was erased', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: RING_BYTES / 512 })
  await Producer.create(device, { uuid: UUID })
  await fill(device, 40, 'old')
  await device.writeZeroes(0, MIB / 512)
  await device.writeZeroes((RING_BYTES - 65_536) / 512, 128)
  await Producer.create(device, { uuid: UUID, eraseOther: true })
  await fill(device, 2, 'new')
  expect(await itemsAfterRestart(device)).toEqual(['new 0', 'new 1'])
})

test('a ring that is made again with its UUID has nothing of the last one: in a pool', async () => {
  const pool = await Pool.open(await poolDevice(64))
  const add = { sizeBytes: RING_BYTES, uuid: UUID }
  await pool.add('a', add)
  await fill(await pool.open('a'), 40, 'old')
  await pool.remove('a', { discardItems: true })
  await pool.add('a', add)
  await fill(await pool.open('a'), 2, 'new')
  expect(await itemsAfterRestart(await pool.open('a'))).toEqual(['new 0', 'new 1'])
})

test('making a ring with a UUID fails before anything says that there is one, if zeroes cannot be written', async () => {
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: RING_BYTES / 512 }))
  device.writeZeroes = () => Promise.reject(new Error('no zeroes'))
  await expect(Producer.create(device, { uuid: UUID })).rejects.toThrow('no zeroes')
  expect((await deviceBytes(device)).every((byte) => byte === 0)).toBe(true)
})

test.each([
  [new Uint8Array(15), RangeError],
  [new Uint8Array(17), RangeError],
  [{}, RangeError],
  ['text'.repeat(4), TypeError],
] as const)('an invalid UUID is refused, and nothing is written: %j', async (uuid, type) => {
  const device = new MemoryBlockDevice({ sizeSectors: 256 })
  const created = Producer.create(device, { uuid: uuid as Uint8Array })
  await expect(created).rejects.toThrow(type)
  expect((await deviceBytes(device)).every((byte) => byte === 0)).toBe(true)
})
