import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { CheckedBlockDevice } from '../../src/block/wrap/checked.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { fc } from '../helpers/property.ts'

const S = 512

function part(
  device: BlockDevice,
  sectorStart: number,
  sectors: number,
): Promise<PartitionBlockDevice> {
  return PartitionBlockDevice.open(device, { sectorStart, sectors })
}

test('sector 0 of a partition is its first sector on the device below', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 100, name: 'disk' })
  const partition = await part(await part(device, 10, 50), 5, 20)
  expect(partition.name).toBe('disk[10..60)[5..25)')
  expect(await partition.getInfo()).toEqual({ readWrite: true, sectorSize: S, sizeSectors: 20 })
  await partition.write(0, [new Uint8Array(20 * S).fill(7)])
  const found = new Uint8Array(100 * S)
  await device.read(0, [found])
  expect(found.indexOf(7)).toBe(15 * S)
  expect(found.lastIndexOf(7)).toBe(35 * S - 1)
})

test('what does not lie on the device below is refused, and the message says both sizes', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 100 })
  await expect(part(device, 90, 11)).rejects.toThrow(
    'a partition of 11 sectors from sector 90 does not fit on memory, which has 100',
  )
  await expect(part(device, -1, 5)).rejects.toThrow(RangeError)
  await expect(part(device, 0.5, 5)).rejects.toThrow(TypeError)
  await expect(part(device, 0, Number.NaN)).rejects.toThrow(TypeError)
  await expect(part(await part(device, 50, 50), 0, 51)).rejects.toThrow(RangeError)
  await expect(part(await part(device, 50, 50), 2 ** 53 - 1, 1)).rejects.toThrow(RangeError)
  expect((await (await part(device, 100, 0)).getInfo()).sizeSectors).toBe(0)
})

test('nothing gets past a partition’s ends, whatever is asked of it', async () => {
  const number = fc.integer({ min: -3, max: 14 })
  await fc.assert(
    fc.asyncProperty(number, number, fc.constantFrom('write', 'zero'), async (at, count, what) => {
      await using device = await MemoryBlockDevice.from(new Uint8Array(40 * S).fill(1))
      const partition = await part(device, 15, 10)
      const done =
        what === 'write'
          ? partition.write(at, [new Uint8Array(Math.max(0, count) * S)])
          : partition.writeZeroes(at, Math.max(0, count))
      const fits = at >= 0 && at + Math.max(0, count) <= 10
      expect(await done.then(() => true).catch(() => false)).toBe(fits)
      const found = new Uint8Array(40 * S)
      await device.read(0, [found])
      const expected = new Uint8Array(40 * S).fill(1)
      if (fits && count > 0) expected.fill(0, (15 + at) * S, (15 + at + count) * S)
      // Comparing twenty kilobytes with `toEqual` takes most of the time of the test.
      expect(Buffer.compare(found, expected)).toBe(0)
    }),
  )
})

test('seeking stays within the partition', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 160 })
  await device.write(0, [new Uint8Array(S).fill(1)])
  await device.write(96, [new Uint8Array(S).fill(1)])
  const partition = await part(device, 32, 48)
  expect(await partition.seekMapped(3)).toBe(48)
  expect(await partition.seekUnmapped(3)).toBe(3)
  const data = await part(device, 98, 6)
  expect(await data.seekMapped(0)).toBe(0)
  expect(await data.seekUnmapped(0)).toBe(6)
})

test('rings on one device do not exclude each other, one place does however it is nested', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 100 })
  const flat = await part(device, 30, 10)
  const checked = await CheckedBlockDevice.open(await part(device, 10, 50))
  const nested = await part(await part(checked, 15, 30), 5, 10)
  const other = await part(device, 40, 10)
  const onRequest = async (request: string): Promise<string> => `flat heard ${request}`
  const claim = await flat.claim('producer', { holder: 'flat', onRequest })
  await expect(nested.claim('producer', { holder: 'nested' })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
    details: { holder: 'flat' },
  })
  expect(await nested.ask('producer', 'it')).toBe('flat heard it')
  expect(await device.ask('producer@30', 'it')).toBe('flat heard it')
  expect(await other.ask('producer', 'it')).toBeUndefined()
  await other.claim('producer', { holder: 'other' })
  await claim.release()
  await nested.claim('producer', { holder: 'nested' })
})

test('one place is claimed once, whatever sectors the device is opened with', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sbr-partition-'))
  const path = join(folder, 'disk')
  try {
    await (await FileBlockDevice.openOrCreate(path, { sizeBytes: 1 << 20 })).disconnect()
    await using small = await FileBlockDevice.open(path, { sectorSize: 512 })
    await using large = await FileBlockDevice.open(path, { sectorSize: 4096 })
    const [one, other] = [await part(small, 512, 1024), await part(large, 64, 128)]
    const nested = await part(await part(large, 32, 96), 32, 64)
    const ahead = await part(large, 48, 16)
    for (const [first, second] of [
      [one, other],
      [other, one],
      [one, nested],
      [nested, one],
    ] as const) {
      const claim = await first.claim('producer', { holder: 'the first' })
      await expect(second.claim('producer', { holder: 'the second' })).rejects.toMatchObject({
        code: 'BLOCK_CLAIMED',
      })
      expect(await second.holderOf('producer')).toMatchObject({ holder: 'the first' })
      await (await ahead.claim('producer', { holder: 'elsewhere' })).release()
      await claim.release()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('a partition at the start excludes the whole device, which starts at the same place', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 100 })
  const partition = await part(await part(device, 0, 50), 0, 10)
  await partition.claim('producer', { holder: 'partition' })
  await expect(device.claim('producer', { holder: 'device' })).rejects.toThrow('partition')
})

test('disconnecting a partition releases its claims and leaves the device connected', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 100 })
  const outer = await part(device, 10, 50)
  const inner = await part(outer, 0, 10)
  const other = await part(outer, 10, 10)
  await inner.claim('producer', { holder: 'inner' })
  await inner.disconnect()
  await expect(inner.getInfo()).rejects.toMatchObject({ code: 'BLOCK_DISCONNECTED' })
  await (await device.claim('producer@10', { holder: 'test' })).release()
  await other.write(0, [new Uint8Array(S)])
  await outer.disconnect()
  await expect(other.write(0, [])).resolves.toBeUndefined()
  await expect(other.getInfo()).rejects.toMatchObject({ code: 'BLOCK_DISCONNECTED' })
})

test('a partition has what is left of it when the device below shrinks', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 100 })
  const partition = await part(device, 50, 40)
  await device.resize(60)
  expect((await partition.getInfo()).sizeSectors).toBe(10)
  await expect(partition.read(9, [new Uint8Array(2 * S)])).rejects.toThrow(RangeError)
  await device.resize(20)
  expect((await partition.getInfo()).sizeSectors).toBe(0)
  await device.resize(200)
  expect((await partition.getInfo()).sizeSectors).toBe(40)
  await expect(partition.resize(10)).rejects.toMatchObject({ code: 'BLOCK_UNSUPPORTED' })
})
