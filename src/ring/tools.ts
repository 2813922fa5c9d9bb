import type { BlockDevice } from '../block/device.ts'
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

/**
 * Checks a ring: all that the roles rely on, and all batches or records that wait. Writes nothing, takes no role, and
 * works while both ends run: what they write meanwhile is no damage.
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_SECTOR_SIZE`, `RING_UNSUPPORTED`, `RING_UNSTABLE`; damage is in the report
 * @throws the signal's reason
 */
export async function verifyRing(
  device: BlockDevice,
  options: VerifyOptions = {},
): Promise<RingReport> {
  return (await detectFormat(device)) === 1 ? verify1(device, options) : verify2(device, options)
}

/**
 * Repairs what is there twice and damaged once: the guard, copies of the superblock, and slots. Damaged batches stay as
 * they are. Without `write` nothing is written. No role may be at work: claim both first. A repair that was cut short is
 * ended by another one.
 * @throws as `verifyRing`, and {BlockError} as the device throws it
 */
export async function repairRing(
  device: BlockDevice,
  options: RepairOptions = {},
): Promise<RepairReport> {
  return (await detectFormat(device)) === 1 ? repair1(device, options) : repair2(device, options)
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
