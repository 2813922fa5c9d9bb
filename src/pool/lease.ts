import type { BlockDevice } from '../block/device.ts'
import type { Clock } from '../clock.ts'
import { DIRECTORY_LEASE, POOL_UNIT } from '../ring/format2/disk/directory.ts'
import { LeasedBlockDevice } from '../ring/format2/lease/leased-device.ts'
import { checkFree } from '../ring/format2/lease/leased-role.ts'
import { LeaseStore } from '../ring/format2/lease/store.ts'
import { takeLease } from '../ring/format2/lease/take.ts'
import type { LeaseOptions } from '../ring/lease-types.ts'
import type { PoolDirectory } from './directory.ts'

export { freeLease } from '../ring/format2/lease/free.ts'

/** The role of changing a pool, as its lease calls it. */
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
  options: LeaseOptions | undefined,
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
