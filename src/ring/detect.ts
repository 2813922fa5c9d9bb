import type { BlockDevice } from '../block/device.ts'
import { hasMagic } from './format1/layout.ts'
import { isBad } from './format2/block.ts'
import { readSuperblocks } from './format2/disk.ts'
import { GUARD_BYTES, hasGuard } from './format2/guard.ts'

/**
 * Finds out the format of the ring on a device. Where none can be recognised it answers 1, whose attach says what it
 * expected.
 */
export async function detectFormat(device: BlockDevice): Promise<1 | 2> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const start = device.allocate(
    Math.min(sizeSectors, Math.ceil(GUARD_BYTES / sectorSize)) * sectorSize,
  )
  await device.read(0, [start])
  if (hasGuard(start)) return 2
  const bool = start[sectorSize + 8]
  if (hasMagic(start) && (bool === 1 || bool === 2)) return 1
  const copies = await readSuperblocks(device)
  return copies.some(({ superblock }) => !isBad(superblock)) ? 2 : 1
}
