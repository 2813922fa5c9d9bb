import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { type RingLeases, readLeases } from '../../ring/access/lease.ts'
import type { LeaseOptions } from '../../ring/lease-types.ts'
import { usageError } from '../errors.ts'

/**
 * Runs work that needs leases.
 * @throws {CommandError} the ring is of format 1, which has none
 */
export async function withLeases<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message)
    throw error
  }
}

/**
 * Checks that a ring can have leases, if one is requested.
 * @throws {CommandError} it is of format 1
 */
export async function checkLeasable(
  ring: BlockDevice,
  { lease }: { readonly lease?: LeaseOptions },
): Promise<void> {
  if (lease !== undefined) await withLeases(() => readLeases(ring))
}

/** The leases of the ring on a device, if it can have any. */
export async function leasesOf(device: BlockDevice): Promise<RingLeases | undefined> {
  try {
    return await readLeases(device)
  } catch (error) {
    if (error instanceof RangeError || isRingError(error)) return undefined
    throw error
  }
}
