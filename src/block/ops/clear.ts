import { isBlockError } from '../../errors.ts'
import type { BlockDevice } from '../device.ts'
import type { Area } from './byte-range.ts'
import type { Chunk } from './extents.ts'

/** Codes with which a device refuses a request and keeps working. */
const REFUSALS: readonly string[] = ['BLOCK_UNSUPPORTED', 'BLOCK_IO']

/**
 * Makes a run of bytes read as zeroes, with as few writes as the device's capabilities allow.
 * @returns whether there was anything to do
 */
export async function clear({ device, info }: Area, { offset, bytes }: Chunk): Promise<boolean> {
  const start = offset / info.sectorSize
  const end = start + bytes / info.sectorSize
  if (!device.capabilities.seek) {
    await device.writeZeroes(start, end - start)
    return true
  }
  if ((await device.seekMapped(start)) >= end) return false
  await discardIfPossible(device, start, end - start)
  for (let at = start; at < end; ) {
    const data = await device.seekMapped(at)
    if (data >= end) return true
    const hole = Math.min(Math.max(await device.seekUnmapped(data), data + 1), end)
    await device.writeZeroes(data, hole - data)
    at = hole
  }
  return true
}

/**
 * Discarding is a hint: some file systems and servers only report on use that they do not support it. The rest is
 * overwritten, which reports real faults.
 */
async function discardIfPossible(
  device: BlockDevice,
  sectorStart: number,
  sectors: number,
): Promise<void> {
  if (!device.capabilities.discard) return
  try {
    await device.discard(sectorStart, sectors)
  } catch (error) {
    if (!isBlockError(error) || !REFUSALS.includes(error.code)) throw error
  }
}
