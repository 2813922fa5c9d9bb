import type { BlockDevice } from '../block/device.ts'
import { SalvageBlockDevice } from '../block/wrap/salvage.ts'
import { isRingError, type RingErrorCode } from '../errors.ts'
import { detectFormat } from './detect.ts'
import type { Dump, DumpOptions } from './dump.ts'
import { structureAt as structure1 } from './format1/dump.ts'
import { repair as repair1 } from './format1/repair.ts'
import { verify as verify1 } from './format1/verify.ts'
import { readRange } from './format2/disk.ts'
import { structureAt as structure2 } from './format2/dump.ts'
import { repair as repair2 } from './format2/repair.ts'
import { verify as verify2 } from './format2/verify.ts'
import type { RepairOptions, RepairReport } from './repair.ts'
import type { RingReport, VerifyOptions } from './report.ts'

const DUMP_BYTES = 256
/** What is answered where there is no ring, or none of format 1 with such sectors. */
const NO_RING: readonly RingErrorCode[] = ['RING_NOT_INITIALISED', 'RING_SECTOR_SIZE']

/**
 * Checks a ring: all that the roles rely on, and all batches or records that wait. Writes nothing, takes no role, and
 * works while both ends run: what they write meanwhile is no damage. Sectors that cannot be read are damage; all others are
 * looked at.
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_SECTOR_SIZE`, `RING_UNSUPPORTED`, `RING_UNSTABLE`; damage is in the report
 * @throws {BlockError} as the device throws it, where so much cannot be read that nothing can be told
 * @throws the signal's reason
 */
export async function verifyRing(
  device: BlockDevice,
  options: VerifyOptions = {},
): Promise<RingReport> {
  return await salvage(device, (readable, format) =>
    format === 1 ? verify1(readable, options) : verify2(readable, options),
  )
}

/**
 * Repairs what is there twice and damaged once: the guard, copies of the superblock, and slots. Damaged batches stay as
 * they are, but for sectors that cannot be read, with `zeroUnreadable`. Without `write` nothing is written. No role may be at
 * work: claim both first. A repair that was cut short is ended by another one.
 * @throws as `verifyRing`; also `RING_UNSTABLE` if something can be read that could not be at first: nothing was written
 */
export async function repairRing(
  device: BlockDevice,
  options: RepairOptions = {},
): Promise<RepairReport> {
  return await salvage(device, (readable, format) =>
    format === 1 ? repair1(readable, options) : repair2(readable, options),
  )
}

/** Works on what can be read of a ring. Where no ring is found, that says nothing if something could not be read. */
async function salvage<T>(
  device: BlockDevice,
  work: (readable: SalvageBlockDevice, format: 1 | 2) => Promise<T>,
): Promise<T> {
  const readable = new SalvageBlockDevice(device)
  try {
    return await work(readable, await detectFormat(readable))
  } catch (error) {
    const isNoRing = isRingError(error) && NO_RING.includes(error.code)
    throw isNoRing && readable.failure !== undefined ? readable.failure : error
  }
}

/**
 * Says what is at a place of a device, and shows its fields and bytes.
 * @param offset in bytes from the device's start
 * @throws {RangeError} the offset is not on the device, or the length is not positive
 * @throws {RingError} as `inspectRing`, where nothing can be told
 */
export async function dumpAt(
  device: BlockDevice,
  offset: number,
  options: DumpOptions = {},
): Promise<Dump> {
  const { length = DUMP_BYTES } = options
  const { sectorSize, sizeSectors } = await device.getInfo()
  const deviceBytes = sectorSize * sizeSectors
  if (!Number.isSafeInteger(offset) || offset < 0 || offset >= deviceBytes) {
    throw new RangeError(
      `offset ${offset} is not on ${device.name}, which has ${deviceBytes} bytes`,
    )
  }
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new RangeError(`a length is a whole number from 1, not ${length}`)
  }
  const format = await detectFormat(device)
  const structureAt = format === 1 ? structure1 : structure2
  const structure = await structureAt(device, offset, length, options)
  const lead = offset % sectorSize
  const { bytes } = await readRange(device, offset - lead, lead + length)
  return { format, ...structure, offset, bytes: bytes.slice(lead, lead + length) }
}
