import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ReadOnlyBlockDevice } from '../../src/block/wrap/readonly.ts'

test('writes are refused, the device below is not asked, and its changes are seen', async () => {
  const inner = await MemoryBlockDevice.from(new Uint8Array(4096).fill(1))
  const device = await ReadOnlyBlockDevice.open(inner)
  const one = new Uint8Array(512)
  for (const request of [
    () => device.write(0, [one]),
    () => device.writeZeroes(0, 1),
    () => device.discard(0, 1),
    () => device.resize(1),
  ]) {
    await expect(request()).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
  }
  await inner.resize(20)
  expect(await device.getInfo()).toEqual({ readWrite: false, sectorSize: 512, sizeSectors: 20 })
  await inner.write(19, [one.fill(5)])
  await device.read(19, [one.fill(0)])
  expect(one[0]).toBe(5)
  await device.disconnect()
  await expect(inner.getInfo()).rejects.toMatchObject({ code: 'BLOCK_DISCONNECTED' })
})
