import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { MAX_UNREADABLE_SECTORS, SalvageBlockDevice } from '../../src/block/wrap/salvage.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { fc, runs } from '../helpers/property.ts'
import { UnreadableBlockDevice } from '../helpers/unreadable.ts'

const SECTOR = 512

/** Each sector is full of its own number and a half: none is zero. */
async function disk(sizeSectors: number): Promise<UnreadableBlockDevice> {
  const bytes = new Uint8Array(sizeSectors * SECTOR)
  for (let at = 0; at < bytes.length; at++) bytes[at] = 128 + (Math.floor(at / SECTOR) % 128)
  return new UnreadableBlockDevice(await MemoryBlockDevice.from(bytes))
}

test('unreadable sectors read as zeroes, and all others as they are, however they are read', async () => {
  const sizeSectors = 40
  const sector = fc.integer({ min: 0, max: sizeSectors - 1 })
  const lengths = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(sector, { maxLength: 12 }),
      fc.array(fc.tuple(sector, lengths), { minLength: 1, maxLength: 6 }),
      async (bad, reads) => {
        const inner = await disk(sizeSectors)
        for (const each of bad) inner.spoil(each * SECTOR)
        const device = new SalvageBlockDevice(inner)
        const met = new Set<number>()
        for (const [start, parts] of reads) {
          const buffers: Uint8Array[] = []
          let end = start
          for (const length of parts) {
            if (end + length > sizeSectors) break
            end += length
            buffers.push(new Uint8Array(length * SECTOR))
          }
          await device.read(start, buffers)
          const read = Buffer.concat(buffers)
          for (let at = start; at < end; at++) {
            const isBad = bad.includes(at)
            if (isBad) met.add(at)
            const piece = read.subarray((at - start) * SECTOR, (at - start + 1) * SECTOR)
            expect(piece.equals(Buffer.alloc(SECTOR, isBad ? 0 : 128 + at))).toBe(true)
          }
        }
        const told = device.unreadable.flatMap(({ sector: first, sectors }) =>
          Array.from({ length: sectors }, (_, n) => first + n),
        )
        expect(told).toEqual([...met].sort((one, other) => one - other))
        for (const [at, range] of device.unreadable.entries()) {
          const before = device.unreadable[at - 1]
          if (before !== undefined) expect(before.sector + before.sectors < range.sector).toBe(true)
        }
        expect(device.failure === undefined).toBe(met.size === 0)
      },
    ),
    runs(150),
  )
})

test('a sector that fails once is read', async () => {
  for (const buffers of [[new Uint8Array(SECTOR)], [new Uint8Array(8 * SECTOR)]]) {
    const inner = (await disk(8)).spoil(0, SECTOR, 1)
    const device = new SalvageBlockDevice(inner)
    await device.read(0, buffers)
    expect(buffers[0]?.[0]).toBe(128)
    expect(device.unreadable).toEqual([])
  }
})

test('an unreadable sector is not read again until that is asked for', async () => {
  const inner = (await disk(8)).spoil(3 * SECTOR).spoil(5 * SECTOR)
  const hooked = new HookedDevice(inner)
  const device = new SalvageBlockDevice(hooked)
  await device.read(0, [new Uint8Array(8 * SECTOR)])
  hooked.take()
  await device.read(0, [new Uint8Array(8 * SECTOR)])
  const again = hooked
    .take()
    .flatMap(({ sector, bytes }) => Array.from({ length: bytes / SECTOR }, (_, n) => sector + n))
  expect(again).toEqual([0, 1, 2, 4, 6, 7])
  expect(await device.firstReadable()).toBeUndefined()
  inner.sectors.delete(5)
  expect(await device.firstReadable()).toBe(5)
})

test('other errors are thrown', async () => {
  const hooked = new HookedDevice(await disk(8))
  const device = new SalvageBlockDevice(hooked)
  hooked.before = () => {
    throw new Error('another one')
  }
  await expect(device.read(0, [new Uint8Array(SECTOR)])).rejects.toThrow('another one')
  await expect(device.read(7, [new Uint8Array(2 * SECTOR)])).rejects.toThrow('another one')
  hooked.before = () => undefined
  await expect(device.read(7, [new Uint8Array(2 * SECTOR)])).rejects.toThrow(RangeError)
})

test('a device with too many unreadable sectors fails', async () => {
  const inner = await disk(MAX_UNREADABLE_SECTORS + 8)
  for (let at = 4; at < MAX_UNREADABLE_SECTORS + 8; at++) inner.sectors.set(at, 1000)
  const device = new SalvageBlockDevice(inner)
  const most = new Uint8Array((MAX_UNREADABLE_SECTORS + 4) * SECTOR)
  await device.read(0, [most])
  expect(device.unreadable).toEqual([{ sector: 4, sectors: MAX_UNREADABLE_SECTORS }])
  const last = MAX_UNREADABLE_SECTORS + 4
  await expect(device.read(last, [new Uint8Array(SECTOR)])).rejects.toMatchObject({
    code: 'BLOCK_IO',
  })
})
