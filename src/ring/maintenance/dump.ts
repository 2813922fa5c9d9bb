import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { readRange } from '../../block/read-range.ts'
import { isBlockError } from '../../errors.ts'
import { checkWhole } from '../../util/numbers.ts'
import type { OptionKinds } from '../../util/options.ts'
import { salvage, unreadableBytes } from '../access/readable-part.ts'
import { structureAt as structure1 } from '../format1/dump.ts'
import { structureAt as structure2 } from '../format2/check/dump.ts'
import type { DumpOptions, RingDump, RingStructure } from '../report/dump.ts'
import { cannotRead } from '../report/unreadable.ts'
import type { ByteRange } from '../types.ts'

const DUMP_KINDS: OptionKinds<DumpOptions> = { length: 'number', signal: 'signal', clock: 'object' }

const DUMP_BYTES = 256
/** The value of an unreadable field. */
const CANNOT_BE_READ = 'cannot be read'

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
