import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { salvage } from '../access/readable-part.ts'
import { verify as verify1 } from '../format1/verify.ts'
import { verify as verify2 } from '../format2/check/verify.ts'
import { type RingReport, VERIFY_KINDS, type VerifyOptions } from '../report/finding.ts'

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
