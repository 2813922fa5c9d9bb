import type { Role } from '../../roles.ts'
import type { Claimed } from '../../shared/claim-role.ts'
import { Disk } from '../disk/disk.ts'
import { breakCommand, leaseDamaged, leasedBy } from './errors.ts'
import { LeasedBlockDevice } from './leased-device.ts'
import { LeaseStore, leaseOfRing } from './store.ts'
import { type LeaseRequest, takeLease } from './take.ts'

export { checkLeaseOptions } from './options.ts'

/** A role that is exclusive, on this machine and, with leases, among hosts. */
export interface TakenRole {
  readonly claimed: Claimed
  readonly disk: Disk
}

/**
 * Checks that no host has leased a role that is attached without a lease.
 * @param block the block of the lease, already read
 * @throws {RingError} `RING_LEASED`, `RING_CORRUPT`
 */
export async function checkUnleased(
  { claimed, disk }: TakenRole,
  role: Role,
  block: Uint8Array,
): Promise<void> {
  const store = await LeaseStore.open(leaseOfRing(disk, role), claimed.clock)
  await checkFree(store, block)
}

/**
 * Checks that no host holds a lease.
 * @param block the block of the lease, if it was read already
 * @throws {RingError} `RING_LEASED`, `RING_CORRUPT`
 */
export async function checkFree(store: LeaseStore, block?: Uint8Array): Promise<void> {
  const state = await store.read(block)
  if (state.status === 'damaged') throw leaseDamaged(store, state)
  if (state.status !== 'held') return
  throw leasedBy(
    store,
    state,
    `lease it too, with a fence; or if that host is gone for good: ${breakCommand(store)}`,
  )
}

/**
 * Leases a claimed role until it is released.
 * @throws as `takeLease`
 */
export async function leaseRole(
  { claimed, disk: unleased }: TakenRole,
  role: Role,
  options: LeaseRequest,
): Promise<TakenRole> {
  const store = await LeaseStore.open(leaseOfRing(unleased, role), claimed.clock)
  const lease = await takeLease(store, claimed.clock, options)
  const device = new LeasedBlockDevice(claimed.device, lease)
  const release = async (): Promise<void> => {
    // The lease is released first, so that the next claimant finds it free.
    await lease.release()
    await claimed.release()
  }
  try {
    const disk = await Disk.open(device, unleased.names)
    store.checkUuid(disk.ring.uuid)
    const checkHeld = (): void => lease.check()
    return { claimed: { ...claimed, device, exclusive: true, release, checkHeld }, disk }
  } catch (error) {
    await lease.release()
    throw error
  }
}
