import type { BlockClaim } from '../block/device.ts'
import type { Clock } from '../clock.ts'
import { isRingError } from '../errors.ts'
import { inspectRing } from '../ring/access/inspect.ts'
import { Disk } from '../ring/format2/disk/disk.ts'
import { takeRole } from '../ring/format2/take-role.ts'
import { detectFormat } from '../ring/shared/detect.ts'
import { keyOf } from '../ring/shared/key.ts'
import { Lazy } from '../util/lazy.ts'
import { notEmpty } from './errors.ts'
import { type PoolRingDevice, ROLES_OF_RING } from './ring-device.ts'
import type { PoolOptions, RemoveRingOptions } from './types.ts'

const leases = new Lazy(() => import('./lease.ts'))

/** The client that removes a ring, and its options. */
interface Remover extends RemoveRingOptions, Pick<PoolOptions, 'lease' | 'signal'> {
  /** The name of the pool's device, and of the ring. */
  readonly device: string
  readonly name: string
  readonly client: string
  readonly clock: Clock
}

/**
 * Takes all roles of a ring, so that no other program has one while it is removed.
 * @returns what releases them
 * @throws {BlockError} `BLOCK_CLAIMED`
 * @throws {RingError} `RING_LEASED`; `RING_NOT_EMPTY` without `discardItems`
 */
export async function takeRing(ring: PoolRingDevice, remover: Remover): Promise<AsyncDisposable> {
  const taken: { release(): Promise<void> }[] = []
  const release = async (): Promise<void> => {
    for (const role of taken.reverse()) await role.release()
  }
  try {
    await checkEmpty(ring, remover)
    const isIdentified = await canLease(ring)
    for (const role of ROLES_OF_RING) taken.push(await take(ring, role, remover, isIdentified))
    if (!isIdentified) {
      const { leasesOn, takeOrCheck } = leases.value ?? (await leases.load())
      for (const place of await leasesOn(ring)) {
        const { lease, signal } = remover
        const request = lease && { ...lease, signal }
        const taking = await takeOrCheck(place, remover.clock, request)
        if (taking !== undefined) taken.push(taking)
      }
    }
    // An item may have come before the roles were taken.
    await checkEmpty(ring, remover)
  } catch (error) {
    await release()
    throw error
  }
  return { [Symbol.asyncDispose]: release }
}

async function take(
  ring: PoolRingDevice,
  role: (typeof ROLES_OF_RING)[number],
  { client, clock, lease, signal }: Remover,
  isIdentified: boolean,
): Promise<Pick<BlockClaim, 'release'>> {
  if (isIdentified && (role === 'producer' || role === 'consumer')) {
    const options = {
      queue: 'pool',
      client,
      clock,
      ...(lease && { lease }),
      ...(signal && { signal }),
    }
    return (await takeRole(ring, role, options)).claimed
  }
  if (!ring.capabilities.claim) return { release: async () => undefined }
  return await ring.claim(role, { holder: holderOf(client), key: keyOf(ring) })
}

/** True if the ring is of a format that has leases, and says where they are. */
async function canLease(ring: PoolRingDevice): Promise<boolean> {
  try {
    if ((await detectFormat(ring)) === 1) return false
    await Disk.open(ring)
    return true
  } catch (error) {
    if (isRingError(error)) return false
    throw error
  }
}

/** @throws {RingError} `RING_NOT_EMPTY`: it has items, or cannot be read */
async function checkEmpty(
  ring: PoolRingDevice,
  { device, name, discardItems = false }: Remover,
): Promise<void> {
  try {
    const { usedBytes } = await inspectRing(ring)
    if (usedBytes > 0 && !discardItems) throw notEmpty(device, name, 'has unacknowledged items')
  } catch (error) {
    if (!isRingError(error) || error.code === 'RING_NOT_EMPTY' || error.code === 'RING_REMOVED') {
      throw error
    }
    if (!discardItems) throw notEmpty(device, name, `cannot be read (${error.message})`)
  }
}

/** The name, in claims, of a program that changes a pool. */
export function holderOf(client: string): string {
  return `client ${JSON.stringify(client)}, which changes the pool`
}
