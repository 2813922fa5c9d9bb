import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { Disk } from '../format2/disk/disk.ts'
import { findLeases } from '../format2/lease/find.ts'
import { type LeasePlace, leaseOfRing } from '../format2/lease/store.ts'
import { detectFormat } from '../shared/detect.ts'
import { refuseLeases } from './attach.ts'

/**
 * Opens a ring of format 2, the only format with leases.
 * @throws {RangeError} the ring is of format 1
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function openLeasable(device: BlockDevice, format: 1 | 2): Promise<Disk> {
  if (format === 1) await refuseLeases(device)
  return Disk.open(device)
}

/**
 * Finds the leases of a ring, even if it is damaged or of a newer version: then, those blocks that claim to be leases.
 * @throws {RangeError} the ring is of format 1, which has no leases
 * @throws {RingError} as `openLeasable`, if there are none
 */
export async function leasePlaces(
  device: BlockDevice,
): Promise<readonly [LeasePlace, ...LeasePlace[]]> {
  try {
    const disk = await openLeasable(device, await detectFormat(device))
    return [leaseOfRing(disk, 'producer'), leaseOfRing(disk, 'consumer')]
  } catch (error) {
    if (!isRingError(error)) throw error
    const [first, ...others] = await findLeases(device)
    if (first === undefined) throw error
    return [first, ...others]
  }
}
