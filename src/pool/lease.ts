import type { BlockDevice } from '../block/device.ts'
import type { Clock } from '../clock.ts'
import { isRingError } from '../errors.ts'
import { leasePlaces } from '../ring/access/lease-places.ts'
import { DIRECTORY_LEASE, POOL_UNIT } from '../ring/format2/disk/directory.ts'
import { LeasedBlockDevice } from '../ring/format2/lease/leased-device.ts'
import { checkFree } from '../ring/format2/lease/leased-role.ts'
import { type LeasePlace, LeaseStore } from '../ring/format2/lease/store.ts'
import { type LeaseRequest, takeLease } from '../ring/format2/lease/take.ts'
import type { PoolDirectory } from './directory.ts'

export { freeLease } from '../ring/format2/lease/free.ts'

/** The role of changing a pool, in its lease. */
const ROLE = 'directory'

/** The lease of a pool's directory. */
export async function directoryLease(directory: PoolDirectory, clock: Clock): Promise<LeaseStore> {
  const { device, uuid } = directory
  const place = { device, role: ROLE, offset: DIRECTORY_LEASE, blockSize: POOL_UNIT, uuid }
  const identify = async (): Promise<Uint8Array> => (await directory.read()).uuid
  return LeaseStore.open({ ...place, identify }, clock)
}

/**
 * Runs a change of the directory while no other host changes it.
 * @throws {RingError} `RING_LEASED`, `RING_LEASE_LOST`, `RING_CORRUPT`
 */
export async function whileLeased<T>(
  directory: PoolDirectory,
  clock: Clock,
  options: LeaseRequest | undefined,
  change: (device: BlockDevice) => Promise<T>,
): Promise<T> {
  const store = await directoryLease(directory, clock)
  if (options === undefined) {
    await checkFree(store)
    return change(directory.device)
  }
  const lease = await takeLease(store, clock, options)
  try {
    return await change(new LeasedBlockDevice(directory.device, lease))
  } finally {
    await lease.release()
  }
}

/** The offsets of the leases of a ring on a device that is no pool; none if it has no leases. */
export async function leasesOn(device: BlockDevice): Promise<readonly LeasePlace[]> {
  try {
    return await leasePlaces(device)
  } catch (error) {
    if (isRingError(error) || error instanceof RangeError) return []
    throw error
  }
}

/**
 * Checks that no host has a lease; or takes it, if the options are given.
 * @throws {RingError} `RING_LEASED`; `RING_CORRUPT` if it is damaged; as `takeLease`
 */
export async function takeOrCheck(
  place: LeasePlace,
  clock: Clock,
  options: LeaseRequest | undefined,
): Promise<{ release(): Promise<void> } | undefined> {
  const store = await LeaseStore.open(place, clock)
  if (options !== undefined) return takeLease(store, clock, options)
  await checkFree(store)
  return undefined
}
