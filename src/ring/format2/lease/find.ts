import type { BlockDevice } from '../../../block/device.ts'
import { statedLease } from '../disk/block.ts'
import { BLOCK_SIZES, leaseOffsets, UNIT_BYTES } from '../disk/layout.ts'
import { readLeaseBlock } from './block.ts'
import type { LeasePlace } from './store.ts'

const ROLES = ['producer', 'consumer'] as const
/** The possible distances between metadata blocks. */
const UNITS = BLOCK_SIZES.filter((size) => size >= UNIT_BYTES)
const HEAD_BYTES = 512

/**
 * Finds the leases of a ring that cannot be identified: blocks that claim to be leases, at the offsets for any block
 * size. A holder may still be running, whatever happened to the ring. Masked items cannot pass for a lease; items of
 * format 1 can.
 */
export async function findLeases(device: BlockDevice): Promise<readonly LeasePlace[]> {
  const info = await device.getInfo()
  const deviceBytes = info.sectorSize * info.sizeSectors
  const found: LeasePlace[] = []
  for (const unit of UNITS) {
    for (const role of ROLES) {
      const offset = leaseOffsets(unit)[role]
      if (offset + unit > deviceBytes) continue
      const read = async (): Promise<ReturnType<typeof statedLease>> =>
        statedLease(await readLeaseBlock({ device, offset, blockSize: HEAD_BYTES }))
      const stated = await read()
      if (stated === undefined) continue
      const { size, uuid } = stated
      // The block's size may be the damaged field.
      const fits = BLOCK_SIZES.some((each) => each === size && Math.max(each, UNIT_BYTES) === unit)
      const identify = async (): Promise<Uint8Array> => (await read())?.uuid ?? new Uint8Array(16)
      found.push({ device, role, offset, blockSize: fits ? size : unit, uuid, identify })
    }
  }
  return found
}
