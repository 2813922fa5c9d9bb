import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { attachConsumer } from '../../../src/ring/format1/consumer.ts'
import { createRing as createFormat1 } from '../../../src/ring/format1/create.ts'
import { attachProducer } from '../../../src/ring/format1/producer.ts'
import { inspectRing, Producer } from '../../../src/ring/ring.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'

async function ring(sectorSize: number): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: (1 << 20) / sectorSize, sectorSize })
  expect(await Producer.create(device, { format: 2 })).toBe(true)
  return device
}

/**
 * The original looks for its magic at byte 0, and then for a bool, 1 or 2, at byte 8 of sectors 1 and 2 (FORMAT.md). Its
 * `create` does nothing where it finds the magic, and so does its journal where `attach` fails but the magic is there.
 */
describe.each([512, 1024, 2048, 4096])('older code, at sector size %i', (sectorSize) => {
  test('finds its magic, and no bool where it looks for one', async () => {
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
    await expect(attachProducer(device, {})).rejects.toMatchObject(failed)
    await expect(attachConsumer(device, {})).rejects.toMatchObject(failed)
    expect(await createFormat1(device, { overwrite: true })).toBe(false)
    expect(hex(await deviceBytes(device))).toBe(before)
  })
})

describe('a ring of one format', () => {
  test('stays as it is when one of another format is to be created', async () => {
    const device = await ring(512)
    expect(await Producer.create(device, { format: 1 })).toBe(false)
    expect(await Producer.create(device, { format: 2 })).toBe(false)
    expect((await inspectRing(device)).format).toBe(2)
    const old = new MemoryBlockDevice({ sizeSectors: 2048 })
    await Producer.create(old, { format: 1 })
    expect(await Producer.create(old, { format: 2 })).toBe(false)
    expect((await inspectRing(old)).format).toBe(1)
  })

  test('is recognised without its guard', async () => {
    const device = await ring(512)
    await device.writeZeroes(0, 8)
    expect((await inspectRing(device)).format).toBe(2)
  })
})
