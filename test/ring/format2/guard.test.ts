import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { attachConsumer } from '../../../src/ring/format1/consumer.ts'
import { createRing as createFormat1 } from '../../../src/ring/format1/create.ts'
import { attachProducer as attachFormat1 } from '../../../src/ring/format1/producer.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { pushBatches } from '../../helpers/damage.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'
import { attachProducer } from '../../helpers/ring.ts'

async function ring(sectorSize: number): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: (1 << 20) / sectorSize, sectorSize })
  expect(await Producer.create(device, { format: 2 })).toEqual({ created: true })
  return device
}

/**
 * The original looks for its magic at byte 0, and then for a bool, 1 or 2, at byte 8 of sectors 1 and 2 (FORMAT.md).
 * Its `create` does nothing where it finds the magic, and so does its journal where `attach` fails but the magic is
 * there.
 */
describe.each([512, 1024, 2048, 4096])('older code, at sector size %i', (sectorSize) => {
  test('finds its magic, and no bool where it expects one', async () => {
    const bytes = await deviceBytes(await ring(sectorSize))
    const magic = Buffer.from(bytes.subarray(0, 30)).toString('latin1')
    expect(magic).toBe('mirage shared-block-device 1.0')
    expect([1, 2]).not.toContain(bytes[sectorSize + 8])
    expect([1, 2]).not.toContain(bytes[2 * sectorSize + 8])
  })

  test('fails to attach, creates nothing, and changes nothing', async () => {
    const device = await ring(sectorSize)
    const before = hex(await deviceBytes(device))
    const failed = {
      code: 'RING_CORRUPT',
      message: expect.stringContaining('unmarshal a bool: 255'),
    }
    await expect(attachFormat1(device, {})).rejects.toMatchObject(failed)
    await expect(attachConsumer(device, {})).rejects.toMatchObject(failed)
    expect(await createFormat1(device, { eraseOther: true })).toBe(false)
    expect(hex(await deviceBytes(device))).toBe(before)
  })
})

describe('a ring of one format', () => {
  test('is left alone when one of another format is created', async () => {
    const device = await ring(512)
    expect(await Producer.create(device, { format: 1 })).toEqual({ created: false })
    expect(await Producer.create(device, { format: 2 })).toEqual({ created: false })
    expect((await inspectRing(device)).format).toBe(2)
    const old = new MemoryBlockDevice({ sizeSectors: 2048 })
    await Producer.create(old, { format: 1 })
    expect(await Producer.create(old, { format: 2 })).toEqual({ created: false })
    expect((await inspectRing(old)).format).toBe(1)
  })

  test('is recognised by what is left of its guard', async () => {
    const device = await ring(512)
    await device.writeZeroes(0, 1)
    expect((await inspectRing(device)).format).toBe(2)
  })

  test('is not of format 2 without its guard, unless somebody says so', async () => {
    const device = await ring(512)
    await device.writeZeroes(0, 24)
    const refused = { code: 'RING_CORRUPT', details: { field: 'guard', offset: 12_288 } }
    await expect(inspectRing(device)).rejects.toMatchObject(refused)
    await expect(Consumer.attach(device)).rejects.toMatchObject(refused)
    await expect(repairRing(device, { write: true })).rejects.toMatchObject(refused)
    await repairRing(device, { format: 2, write: true })
    expect((await inspectRing(device)).format).toBe(2)
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
  })

  test('is of format 1 whatever an item of it holds: a whole ring of format 2, and a forged guard', async () => {
    const inner = new MemoryBlockDevice({ sizeSectors: 512 })
    await Producer.create(inner, { format: 2 })
    await pushBatches(inner, [[Uint8Array.of(6, 6, 6)]])
    const image = await deviceBytes(inner)
    const device = new MemoryBlockDevice({ sizeSectors: 512 })
    await Producer.create(device, { format: 1 })
    // Format 1 keeps items from sector 3 on, and a record begins with its length.
    const item = image.subarray(3 * 512 + 4, image.length - 512)
    await using producer = await attachProducer(device)
    await producer.append([item])
    expect((await inspectRing(device)).format).toBe(1)
    await using consumer = await Consumer.attach(device)
    expect(await consumer.pop()).toMatchObject({ status: 'item', item })
  })
})

describe('superblocks of several rings', () => {
  /** Two rings of other block sizes, the second written over the first but for what it does not write itself. */
  async function buried(lost: readonly number[]): Promise<MemoryBlockDevice> {
    const large = new MemoryBlockDevice({ sizeSectors: 4096 })
    await Producer.create(large, { format: 2, blockSize: 65_536 })
    await pushBatches(large, [[Uint8Array.of(6)]])
    const device = await ring(4096)
    await pushBatches(device, [[Uint8Array.of(1)], [Uint8Array.of(2)]])
    const bytes = await deviceBytes(device)
    // What a ring of the smaller block size keeps in its data area could be anything before items were masked.
    bytes.set((await deviceBytes(large)).subarray(65_536, bytes.length - 4096), 65_536)
    for (const at of lost) bytes[at] = (bytes[at] ?? 0) ^ 1
    return MemoryBlockDevice.from(bytes)
  }

  const OWN = [12_288, 16_384, (1 << 20) - 4096] as const

  test.each<[readonly number[]]>([[[]], [[OWN[0]]], [[OWN[0], OWN[1]]], [[OWN[1], OWN[2]]]])(
    'do not count in the data area of another ring, with %j damaged',
    async (lost) => {
      const device = await buried(lost.map((at) => at + 100))
      expect((await inspectRing(device)).ring?.blockSize).toBe(4096)
    },
  )

  test('at the places of one ring: roles refuse, and tools report them', async () => {
    const device = await ring(4096)
    const other = await ring(4096)
    const block = new Uint8Array(4096)
    await other.read(OWN[1] / 4096, [block])
    await device.write(OWN[1] / 4096, [block])
    const before = await deviceBytes(device)
    const refused = { code: 'RING_CORRUPT', details: { field: 'superblocks' } }
    await expect(Producer.attach(device)).rejects.toMatchObject(refused)
    await expect(Consumer.attach(device)).rejects.toMatchObject(refused)
    expect(await verifyRing(device)).toMatchObject({ sound: false })
    const { actions, left } = await repairRing(device, { write: true, rebuild: true })
    expect([actions, left]).toMatchObject([[], [{ structure: 'superblocks' }]])
    expect(await deviceBytes(device)).toEqual(before)
  })

  test('after the old end of a device that has grown do not count', async () => {
    const small = await ring(4096)
    await pushBatches(small, [[Uint8Array.of(1)]])
    const other = new MemoryBlockDevice({ sizeSectors: 4096 })
    await Producer.create(other, { format: 2, blockSize: 512 })
    const grown = await deviceBytes(other)
    grown.set(await deviceBytes(small))
    expect((await inspectRing(await MemoryBlockDevice.from(grown))).waitingItems).toBe(1)
  })
})
