import type { BlockClaim, BlockDevice } from '../../block/device.ts'
import { type Claimed, claimRole } from '../role.ts'
import type { AttachOptions } from '../types.ts'
import { Disk } from './disk.ts'
import type { Lease } from './lease.ts'
import { breakCommand, leaseDamaged, leasedBy } from './lease-errors.ts'
import { type LeasedRole, LeaseStore } from './lease-store.ts'
import { LeasedBlockDevice } from './leased-device.ts'
import { checkLeaseOptions, takeLease } from './take-lease.ts'

/** A role that nobody else has, on this machine and, with leases, on any. */
export interface TakenRole {
  readonly claimed: Claimed
  readonly disk: Disk
}

/**
 * Claims a role on this machine, and leases it if that is wanted.
 * @throws {RangeError} an option cannot be
 * @throws {BlockError} `BLOCK_CLAIMED`
 * @throws {RingError} `RING_LEASED`, `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function takeRole(
  device: BlockDevice,
  role: LeasedRole,
  options: AttachOptions,
  onRequest?: (request: string) => Promise<string>,
): Promise<TakenRole> {
  const wanted = options.lease
  if (wanted !== undefined) checkLeaseOptions(wanted)
  const claimed = await claimRole(device, role, options, onRequest)
  try {
    const disk = await Disk.open(device)
    const store = await LeaseStore.open(disk, role, claimed.clock)
    if (wanted === undefined) {
      await checkUnleased(store)
      return { claimed, disk }
    }
    const lease = await takeLease(store, claimed.clock, wanted)
    const leased = new LeasedBlockDevice(device, lease)
    const claim = joined(lease, claimed.claim)
    const checkHeld = (): void => lease.check()
    // What is on the device may be another ring after a long wait.
    return {
      claimed: { ...claimed, device: leased, claim, checkHeld },
      disk: await opened(leased, lease),
    }
  } catch (error) {
    await claimed.claim?.release()
    throw error
  }
}

async function checkUnleased(store: LeaseStore): Promise<void> {
  const state = await store.read()
  if (state.status === 'damaged') throw leaseDamaged(store, state)
  if (state.status !== 'held') return
  throw leasedBy(
    store,
    state,
    `lease it too, with a fence; or if that host is gone for good: ${breakCommand(store)}`,
  )
}

async function opened(device: BlockDevice, lease: Lease): Promise<Disk> {
  try {
    return await Disk.open(device)
  } catch (error) {
    await lease.release()
    throw error
  }
}

/** The lease goes first: who gets the claim finds it free. */
function joined(lease: Lease, claim: BlockClaim | undefined): BlockClaim {
  return {
    release: async () => {
      await lease.release()
      await claim?.release()
    },
  }
}
