import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { readRange } from '../../block/read-range.ts'
import { isBlockError } from '../../errors.ts'
import { checkWhole } from '../../util/numbers.ts'
import type { OptionKinds } from '../../util/options.ts'
import { salvage, unreadableBytes } from '../access/salvage.ts'
import { structureAt as structure1 } from '../format1/dump.ts'
import { repair as repair1 } from '../format1/repair.ts'
import { verify as verify1 } from '../format1/verify.ts'
import { structureAt as structure2 } from '../format2/check/dump.ts'
import { repair as repair2 } from '../format2/check/repair.ts'
import { verify as verify2 } from '../format2/check/verify.ts'
import type { DumpOptions, RingDump, RingStructure } from '../report/dump.ts'
import { type RingReport, VERIFY_KINDS, type VerifyOptions } from '../report/finding.ts'
import type { RepairOptions, RepairReport } from '../report/repair.ts'
import { cannotRead } from '../report/unreadable.ts'
import type { ByteRange } from '../types.ts'

const REPAIR_KINDS: OptionKinds<RepairOptions> = {
  ...VERIFY_KINDS,
  format: { oneOf: [2] },
  write: 'boolean',
  rebuild: 'boolean',
  zeroUnreadable: 'boolean',
}
const DUMP_KINDS: OptionKinds<DumpOptions> = { length: 'number', signal: 'signal', clock: 'object' }

const DUMP_BYTES = 256
/** The value of an unreadable field. */
const CANNOT_BE_READ = 'cannot be read'

/**
 * Checks a ring: everything that the roles rely on, and all unacknowledged batches or records. Writes nothing, takes no
 * role, and works while both sides run: their writes are no damage. Unreadable sectors are damage; all others are
 * checked.
 * @throws {TypeError} an option is unknown or has the wrong type
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_SECTOR_SIZE`, `RING_UNSUPPORTED`, `RING_UNSTABLE`; damage is in the
 *   report
 * @throws {BlockError} as the device throws it, if too much is unreadable to find the ring
 * @throws the signal's reason
 */
export async function verifyRing(
  device: BlockDevice,
  options: VerifyOptions = {},
): Promise<RingReport> {
  checkCall('verifyRing', device, options, VERIFY_KINDS)
  return await salvage(device, (readable, format) =>
    format === 1 ? verify1(readable, options) : verify2(readable, options),
  )
}

/**
 * Repairs structures that have a second copy: the guard, superblocks and slots. Damaged batches are reported and not
 * changed, except for unreadable sectors with `zeroUnreadable`. Without `write` nothing is written. No role may be
 * running: claim both first. If a repair is interrupted, another one completes it.
 * @throws as `verifyRing`; also `RING_UNSTABLE` if something has become readable meanwhile: nothing was written
 */
export async function repairRing(
  device: BlockDevice,
  options: RepairOptions = {},
): Promise<RepairReport> {
  checkCall('repairRing', device, options, REPAIR_KINDS)
  return await salvage(
    device,
    (readable, format) => (format === 1 ? repair1(readable, options) : repair2(readable, options)),
    options.format,
  )
}

/**
 * Describes the structure at an offset of a device: its fields and bytes, as far as they are readable.
 * @param offset in bytes from the device's start
 * @throws {TypeError} an option is unknown or has the wrong type
 * @throws {RangeError} the offset is not on the device, or the length is not positive
 * @throws {RingError} as `inspectRing`, if there is no ring to explain it
 * @throws {BlockError} as the device throws it, if too much is unreadable to find the ring
 */
export async function dumpAt(
  device: BlockDevice,
  offset: number,
  options: DumpOptions = {},
): Promise<RingDump> {
  checkCall('dumpAt', device, options, DUMP_KINDS)
  const { length = DUMP_BYTES } = options
  const { sectorSize, sizeSectors } = await device.getInfo()
  const deviceBytes = sectorSize * sizeSectors
  if (!Number.isSafeInteger(offset) || offset < 0 || offset >= deviceBytes) {
    throw new RangeError(
      `offset ${offset} is not on ${device.name}, which has ${deviceBytes} bytes`,
    )
  }
  checkWhole({ length }, 1)
  return await salvage(device, async (readable, format) => {
    const found =
      format === 1
        ? await structureIfReadable(device, offset, length, options)
        : await structure2(readable, offset, length, options)
    const lead = offset % sectorSize
    const { bytes } = await readRange(readable, offset - lead, lead + length)
    const dumped = { offset, bytes: bytes.slice(lead, lead + length) }
    const lost = await unreadableBytes(readable)
    const range = { offset, bytes: dumped.bytes.length }
    const unreadable = await unreadableBytes(readable, range)
    return { format, ...explained(found, lost), ...dumped, unreadable }
  })
}

/** In format 1, zeroes could be records, so nothing is known after an unreadable part. */
async function structureIfReadable(
  device: BlockDevice,
  offset: number,
  length: number,
  options: DumpOptions,
): Promise<RingStructure> {
  try {
    return await structure1(device, offset, length, options)
  } catch (error) {
    if (!isBlockError(error) || error.code !== 'BLOCK_IO') throw error
    const problem = `cannot be read: ${error.message}`
    return { structure: 'not known', start: offset, length, problem, fields: [] }
  }
}

/** An unreadable part has no fields. The zeroes read in its place are not its content. */
function explained(found: RingStructure, lost: readonly ByteRange[]): RingStructure {
  const meets = (start: number, bytes: number): ByteRange | undefined =>
    lost.find((range) => range.offset < start + bytes && start < range.offset + range.bytes)
  const reason = meets(found.start, found.length)
  const fields = found.fields.map((field) =>
    meets(field.offset, field.bytes) === undefined ? field : { ...field, value: CANNOT_BE_READ },
  )
  return reason === undefined
    ? { ...found, fields }
    : { ...found, problem: cannotRead(reason), fields }
}
