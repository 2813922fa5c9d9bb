import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { Disk } from '../format2/disk/disk.ts'
import { findLeases } from '../format2/lease/find.ts'
import { type LeasePlace, leaseOfRing } from '../format2/lease/store.ts'
import { detectFormat } from '../shared/detect.ts'
import { refuseLeases } from './attach.ts'

/**
 * The ring of format 2 on a device, which alone has leases.
 * @throws {RangeError} the ring is of format 1
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function openLeasable(device: BlockDevice, format: 1 | 2): Promise<Disk> {
  if (format === 1) await refuseLeases(device)
  return Disk.open(device)
}

/**
 * Where the leases of the ring on a device are, also if the ring is damaged, or of a newer version: there, those that are found.
 * @throws {RangeError} the ring is of format 1, which has no leases
 * @throws {RingError} as `openLeasable`, if it found none
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
