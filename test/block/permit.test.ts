import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { BaseBlockDevice } from '../../src/block/base.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import type { Permit } from '../../src/block/permit.ts'

const folder = mkdtempSync(join(tmpdir(), 'sbr-permit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const OVER = new Error('over')

/** Grants so many times. */
function times(count: number): Permit {
  let left = count
  return () => {
    if (left-- <= 0) throw OVER
  }
}

describe('a file', () => {
  for (const engine of ['pool', 'sync', 'adaptive'] as const) {
    test(`is asked before each system call: ${engine}`, async () => {
      const path = join(folder, `${engine}.img`)
      writeFileSync(path, new Uint8Array(4096 * 512))
      await using device = await FileBlockDevice.open(path, { engine })
      // One call takes 1024 buffers at most; the device asks once more for the request as a whole.
      const sectors = Array.from({ length: 3000 }, () => new Uint8Array(512).fill(7))
      await expect(device.write(0, sectors, { permit: times(3) })).rejects.toBe(OVER)
      const written = readFileSync(path).lastIndexOf(7)
      expect(written).toBe(2048 * 512 - 1)
      await expect(device.read(0, sectors, { permit: times(3) })).rejects.toBe(OVER)
      await expect(device.flush({ permit: times(1) })).rejects.toBe(OVER)
      await device.flush({ permit: times(2) })
    })
  }

  test('is not flushed for a durable write that may not continue', async () => {
    const path = join(folder, 'flush.img')
    writeFileSync(path, new Uint8Array(512))
    await using device = await FileBlockDevice.open(path, { durability: 'flush' })
    const sector = [new Uint8Array(512)]
    const durable = { durable: true, permit: times(2) }
    await expect(device.write(0, sector, durable)).rejects.toBe(OVER)
    await device.write(0, sector, { durable: true, permit: times(3) })
  })
})

test('written zeroes need a permit piece by piece, and so does their flush', async () => {
  const sent: string[] = []
  class Plain extends BaseBlockDevice {
    override readonly name = 'plain'
    protected override readonly info = { readWrite: true, sectorSize: 512, sizeSectors: 8192 }
    protected override async doRead(): Promise<void> {}
    protected override async doWrite(): Promise<void> {
      sent.push('write')
    }
    protected override async doFlush(): Promise<void> {
      sent.push('flush')
    }
    protected override async doDisconnect(): Promise<void> {}
  }
  const device = new Plain()
  // 4 MiB are four pieces of 1 MiB.
  const zeroes = (permit: Permit): Promise<void> =>
    device.writeZeroes(0, 8192, { durable: true, permit })
  await expect(zeroes(times(3))).rejects.toBe(OVER)
  expect(sent.splice(0)).toEqual(['write', 'write'])
  await expect(zeroes(times(5))).rejects.toBe(OVER)
  expect(sent.splice(0)).toEqual(['write', 'write', 'write', 'write'])
  await zeroes(times(6))
  expect(sent.splice(0)).toEqual(['write', 'write', 'write', 'write', 'flush'])
})

test('an invalid request is refused before a permit is asked for, and an empty one needs none', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 8 })
  const never = { permit: times(0) }
  const sector = [new Uint8Array(512)]
  await expect(device.write(8, sector, never)).rejects.toThrow(RangeError)
  await device.write(0, [], never)
  await device.read(0, [], never)
  await device.discard(0, 0, never)
  await device.writeZeroes(0, 0, never)
  await expect(device.write(0, sector, never)).rejects.toBe(OVER)
  await expect(device.read(0, sector, never)).rejects.toBe(OVER)
  await expect(device.discard(0, 1, never)).rejects.toBe(OVER)
  await expect(device.writeZeroes(0, 1, never)).rejects.toBe(OVER)
  await expect(device.flush(never)).rejects.toBe(OVER)
})
