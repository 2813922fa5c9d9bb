import type { BlockDevice } from '../../block/device.ts'
import { PermittedBlockDevice } from '../../block/wrap/permitted.ts'
import { RingError } from '../../errors.ts'
import { Lazy } from '../../util/lazy.ts'
import type { Role } from '../roles.ts'
import { type Claimed, claimRole } from '../shared/claim-role.ts'
import type { AttachOptions } from '../types.ts'
import { isBlank } from './disk/bytes.ts'
import { Disk } from './disk/disk.ts'
import { readLeaseOf } from './lease/block.ts'
import type { TakenRole } from './lease/leased-role.ts'

/** Loaded on demand: most roles are never leased. */
const leases = new Lazy(() => import('./lease/leased-role.ts'))

/**
 * Claims a role on this machine, and leases it if the options ask for a lease.
 * @param options validated already: see `checkAttachOptions`
 * @throws {BlockError} `BLOCK_CLAIMED`
 * @throws {RingError} `RING_LEASED`, `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function takeRole(
  device: BlockDevice,
  role: Role,
  options: AttachOptions,
  onRequest?: (request: string) => Promise<string>,
): Promise<TakenRole> {
  const { lease, signal } = options
  const claimed = untilReleased(await claimRole(device, role, options, onRequest))
  try {
    const taken = { claimed, disk: await Disk.open(claimed.device, claimed.names) }
    claimed.kept.key = taken.disk.ring.uuid
    if (lease !== undefined) {
      const { leaseRole } = leases.value ?? (await leases.load())
      return await leaseRole(taken, role, { ...lease, signal })
    }
    const block = await readLeaseOf(taken.disk, role)
    if (!isBlank(block)) {
      const { checkUnleased } = leases.value ?? (await leases.load())
      await checkUnleased(taken, role, block)
    }
    return taken
  } catch (error) {
    await claimed.release()
    throw error
  }
}

/** Sends nothing to the device after the role is closed, prefetches included. */
function untilReleased(claimed: Claimed): Claimed {
  const { name } = claimed.device
  let released = false
  const device = new PermittedBlockDevice(claimed.device, () => {
    if (!released) return
    throw new RingError('RING_CLOSED', `The role of ${name} was closed`, { device: name })
  })
  const release = async (): Promise<void> => {
    released = true
    await claimed.release()
  }
  return { ...claimed, device, release }
}
