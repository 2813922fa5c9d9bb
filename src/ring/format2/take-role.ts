import type { BlockDevice } from '../../block/device.ts'
import { PermittedBlockDevice } from '../../block/wrap/permitted.ts'
import { RingError } from '../../errors.ts'
import { type Claimed, claimRole } from '../claimed-role.ts'
import type { AttachOptions } from '../types.ts'
import { Disk } from './disk/disk.ts'
import { breakCommand, leaseDamaged, leasedBy } from './lease/errors.ts'
import type { Lease } from './lease/lease.ts'
import { LeasedBlockDevice } from './lease/leased-device.ts'
import { type LeasedRole, LeaseStore } from './lease/store.ts'
import { checkLeaseOptions, takeLease } from './lease/take.ts'

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
  const claimed = untilReleased(await claimRole(device, role, options, onRequest))
  try {
    const disk = await Disk.open(claimed.device, claimed.names)
    const store = await LeaseStore.open(disk, role, claimed.clock)
    if (wanted === undefined) {
      await checkUnleased(store)
      return { claimed, disk }
    }
    return await leased(claimed, await takeLease(store, claimed.clock, wanted), store)
  } catch (error) {
    await claimed.release()
    throw error
  }
}

/** The role's device lets nothing out any more once the role is given back: not what is read ahead either. */
function untilReleased(claimed: Claimed): Claimed {
  const { name } = claimed.device
  let released = false
  const device = new PermittedBlockDevice(claimed.device, () => {
    if (!released) return
    throw new RingError('RING_CLOSED', `The role of ${name} was given back`, { device: name })
  })
  const release = async (): Promise<void> => {
    released = true
    await claimed.release()
  }
  return { ...claimed, device, release }
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

/** A role as long as its lease lasts. */
async function leased(claimed: Claimed, lease: Lease, store: LeaseStore): Promise<TakenRole> {
  const device = new LeasedBlockDevice(claimed.device, lease)
  const release = async (): Promise<void> => {
    // The lease goes first: who gets the claim finds it free.
    await lease.release()
    await claimed.release()
  }
  try {
    const disk = await store.checkRing(device)
    const checkHeld = (): void => lease.check()
    return { claimed: { ...claimed, device, exclusive: true, release, checkHeld }, disk }
  } catch (error) {
    await lease.release()
    throw error
  }
}
