import type { BlockDevice } from '../../block/device.ts'
import { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { isRingError, type RingErrorCode } from '../../errors.ts'
import { detectFormat, refusePool } from '../shared/detect.ts'
import type { ByteRange } from '../types.ts'

/**
 * Errors that unreadable sectors may cause: there seems to be no ring, or too little of one, or one of other sectors.
 */
const NO_RING: readonly RingErrorCode[] = [
  'RING_NOT_INITIALISED',
  'RING_SECTOR_SIZE',
  'RING_CORRUPT',
]

/**
 * Runs a tool on the readable part of a ring. If it finds no ring, that proves nothing if anything was unreadable.
 * @param known the format, if it need not be detected
 */
export async function salvage<T>(
  device: BlockDevice,
  work: (readable: SalvageBlockDevice, format: 1 | 2) => Promise<T>,
  known?: 1 | 2,
): Promise<T> {
  const readable = new SalvageBlockDevice(device)
  try {
    if (known !== undefined) await refusePool(readable)
    return await work(readable, known ?? (await detectFormat(readable)))
  } catch (error) {
    const isNoRing = isRingError(error) && NO_RING.includes(error.code)
    throw isNoRing && readable.failure !== undefined ? readable.failure : error
  }
}

/** The bytes found unreadable so far, of a device or a part of it, ascending. */
export async function unreadableBytes(
  device: SalvageBlockDevice,
  { offset, bytes }: ByteRange = { offset: 0, bytes: Number.POSITIVE_INFINITY },
): Promise<readonly ByteRange[]> {
  const { sectorSize } = await device.getInfo()
  return device.unreadable.flatMap(({ sector, sectors }) => {
    const from = Math.max(offset, sector * sectorSize)
    const to = Math.min(offset + bytes, (sector + sectors) * sectorSize)
    return from < to ? [{ offset: from, bytes: to - from }] : []
  })
}
