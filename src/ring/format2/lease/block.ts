import type { BlockDevice } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import type { Role } from '../../roles.ts'
import type { Disk } from '../disk/disk.ts'

/** Reads the block of a lease. */
export async function readLeaseBlock({
  device,
  offset,
  blockSize,
}: {
  readonly device: BlockDevice
  readonly offset: number
  readonly blockSize: number
}): Promise<Uint8Array> {
  const read = await readRange(device, offset, blockSize)
  // Sectors may be larger than blocks.
  return read.bytes.subarray(offset - read.offset).subarray(0, blockSize)
}

/** Reads the lease block of a role of a ring, if the role was ever leased. */
export function readLeaseOf({ device, layout }: Disk, role: Role): Promise<Uint8Array> {
  return readLeaseBlock({ device, offset: layout.leases[role], blockSize: layout.blockSize })
}
