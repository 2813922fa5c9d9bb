import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import type { OptionKinds } from '../../util/options.ts'
import { salvage } from '../access/readable-part.ts'
import { repair as repair1 } from '../format1/repair.ts'
import { repair as repair2 } from '../format2/check/repair.ts'
import { VERIFY_KINDS } from '../report/finding.ts'
import type { RepairOptions, RepairReport } from '../report/repair.ts'

const REPAIR_KINDS: OptionKinds<RepairOptions> = {
  ...VERIFY_KINDS,
  format: { oneOf: [2] },
  write: 'boolean',
  rebuild: 'boolean',
  zeroUnreadable: 'boolean',
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
