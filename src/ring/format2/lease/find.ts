import type { BlockDevice } from '../../../block/device.ts'
import { saidLease } from '../disk/block.ts'
import { BLOCK_SIZES, leaseOffsets, UNIT_BYTES } from '../disk/layout.ts'
import { readLeaseBlock } from './block.ts'
import type { LeasePlace } from './store.ts'

const ROLES = ['producer', 'consumer'] as const
/** The distances that metadata blocks can have. */
const UNITS = BLOCK_SIZES.filter((size) => size >= UNIT_BYTES)
const HEAD_BYTES = 512

/**
 * The leases of a ring that cannot be identified: blocks that say that they are leases, where rings of any block size have theirs. A
 * holder may still be running, whatever happened to the ring. Items are masked, so none is taken for a lease; items of format 1 are not.
 */
export async function findLeases(device: BlockDevice): Promise<readonly LeasePlace[]> {
  const info = await device.getInfo()
  const deviceBytes = info.sectorSize * info.sizeSectors
  const found: LeasePlace[] = []
  for (const unit of UNITS) {
    for (const role of ROLES) {
      const offset = leaseOffsets(unit)[role]
      if (offset + unit > deviceBytes) continue
      const read = async (): Promise<ReturnType<typeof saidLease>> =>
        saidLease(await readLeaseBlock({ device, offset, blockSize: HEAD_BYTES }))
      const said = await read()
      if (said === undefined) continue
      const { size, uuid } = said
      // Its size may be what is damaged.
      const fits = BLOCK_SIZES.some((each) => each === size && Math.max(each, UNIT_BYTES) === unit)
      const identify = async (): Promise<Uint8Array> => (await read())?.uuid ?? new Uint8Array(16)
      found.push({ device, role, offset, blockSize: fits ? size : unit, uuid, identify })
    }
  }
  return found
}
