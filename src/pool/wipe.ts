import type { BlockDevice } from '../block/device.ts'
import { END_BYTES, START_BYTES } from '../ring/report/signatures.ts'

/** Overwrites what could be taken for a ring, or for content. */
export async function wipe(device: BlockDevice, startBytes: number = START_BYTES): Promise<void> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const start = Math.min(sizeSectors, startBytes / sectorSize)
  const end = Math.min(sizeSectors - start, END_BYTES / sectorSize)
  await device.writeZeroes(0, start)
  await device.writeZeroes(sizeSectors - end, end)
  await device.flush()
}
