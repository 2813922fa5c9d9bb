import { readRange } from '../../../block/read-range.ts'
import type { Disk } from '../disk/disk.ts'

/** The role whose lease it is. */
export type LeasedRole = 'producer' | 'consumer'

/** Reads the lease block of a role, if the role was ever leased. */
export async function readLeaseBlock(disk: Disk, role: LeasedRole): Promise<Uint8Array> {
  const { layout, device } = disk
  return (await readRange(device, layout.leases[role], layout.blockSize)).bytes
}
