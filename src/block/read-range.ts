import type { BlockDevice, BlockInfo } from './device.ts'

/**
 * Reads whole sectors of a device, from the one that contains `offset` on: at least `length` bytes, or up to the end.
 * @param info from the device, if it was just queried
 */
export async function readRange(
  device: BlockDevice,
  offset: number,
  length: number,
  info?: BlockInfo,
): Promise<{ readonly offset: number; readonly bytes: Uint8Array }> {
  const { sectorSize, sizeSectors } = info ?? (await device.getInfo())
  const sector = Math.floor(offset / sectorSize)
  const sectors = Math.min(sizeSectors - sector, Math.ceil(length / sectorSize))
  const bytes = device.allocate(sectors * sectorSize)
  await device.read(sector, [bytes])
  return { offset: sector * sectorSize, bytes }
}
