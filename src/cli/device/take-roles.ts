import type { AskOptions, BlockClaim, BlockDevice, ClaimOptions } from '../../block/device.ts'
import { BlockError, isBlockError, isRingError } from '../../errors.ts'
import type { RingHolders } from '../../ring/access/holders.ts'
import type { RingLeases } from '../../ring/access/lease.ts'
import type { UnreadableLease } from '../../ring/lease-types.ts'
import type { Role } from '../../ring/roles.ts'
import { holdsPool } from '../../ring/shared/detect.ts'
import { keyOf } from '../../ring/shared/key.ts'
import { shellWord } from '../../util/shell-word.ts'
import { CommandError, EXIT } from '../errors.ts'
import { leasesOf } from './leases.ts'

/**
 * The role of a pushing command, for its whole life. The producer's own role is released while it waits for a
 * suspended ring, and a second command would then wait beside the first.
 */
const PUSHING = 'produce'

/**
 * Takes the roles of a device that is going to be overwritten; of a pool, also those of its rings.
 * @throws {BlockError} `BLOCK_CLAIMED`
 * @throws {CommandError} another host has leased a role
 */
export async function takeRoles(device: BlockDevice, holder: string): Promise<AsyncDisposable> {
  const taken: AsyncDisposable[] = []
  const giveBack = async (): Promise<void> => {
    for (const roles of taken.reverse()) await roles[Symbol.asyncDispose]()
  }
  try {
    for (const ring of [device, ...(await ringsOn(device))]) {
      taken.push(await claimRoles(ring, holder))
      await checkLeases(ring)
    }
  } catch (error) {
    await giveBack()
    throw error
  }
  return { [Symbol.asyncDispose]: giveBack }
}

/** The rings of the pool on a device, if it has one that can be read. */
async function ringsOn(device: BlockDevice): Promise<readonly BlockDevice[]> {
  if (!(await holdsPool(device))) return []
  try {
    const { Pool } = await import('../../pool/index.ts')
    const pool = await Pool.open(device)
    return await Promise.all((await pool.status()).rings.map(({ name }) => pool.open(name)))
  } catch (error) {
    if (isRingError(error)) return []
    throw error
  }
}

/**
 * The same on this machine only: another host may use the device.
 * @throws {BlockError} `BLOCK_CLAIMED`
 */
export async function claimRoles(device: BlockDevice, holder: string): Promise<AsyncDisposable> {
  const claims: BlockClaim[] = []
  const giveBack = async (): Promise<void> => {
    for (const claim of claims.reverse()) await claim.release()
  }
  try {
    for (const role of [PUSHING, 'producer', 'consumer']) {
      claims.push(await claimFor(device, role, { holder }))
    }
  } catch (error) {
    await giveBack()
    throw error
  }
  return { [Symbol.asyncDispose]: giveBack }
}

async function checkLeases(device: BlockDevice): Promise<void> {
  const leases = await leasesOf(device)
  for (const role of ['producer', 'consumer'] as const) {
    const inUse = leaseInUse(device.name, role, leases)
    if (inUse !== undefined) throw inUse
  }
}

/** The reason why a role may be held by another host, according to its lease; undefined if it is not. */
export function leaseInUse(
  device: string,
  role: Role,
  leases: RingLeases | undefined,
): CommandError | undefined {
  const lease = leases?.[role]
  if (lease?.status === 'unreadable') return unreadable(device, role, lease)
  if (lease?.status !== 'held') return undefined
  const message =
    `the ${role}'s role of ${device} is leased by ${JSON.stringify(lease.owner)}; see sbr lease show ` +
    `${shellWord(device)}, and if that host is gone for good: sbr lease break ${shellWord(device)} --role ${role}`
  return new CommandError(EXIT.fault, 'RING_LEASED', message, { device, holder: lease.owner })
}

/** It is unknown whether another host has the role. */
function unreadable(device: string, role: string, lease: UnreadableLease): CommandError {
  const message = `the lease of the ${role}'s role of ${device} ${lease.problem}; see what frees it: sbr repair ${shellWord(device)} --zero-unreadable`
  return new CommandError(EXIT.fault, 'BLOCK_IO', message, { device, offset: lease.offset })
}

/**
 * Makes this the only command that pushes.
 * @throws {BlockError} `BLOCK_CLAIMED`
 */
export async function takePushing(device: BlockDevice, client: string): Promise<AsyncDisposable> {
  const holder = `client ${JSON.stringify(client)}`
  const claim = await claimFor(device, PUSHING, { holder })
  return { [Symbol.asyncDispose]: () => claim.release() }
}

/** Claims a role. Messages call a pushing process the producer, whatever its claim's name is. */
async function claimFor(
  device: BlockDevice,
  role: string,
  options: ClaimOptions,
): Promise<BlockClaim> {
  try {
    return await device.claim(role, { ...options, key: keyOf(device) })
  } catch (error) {
    if (role !== PUSHING || !isBlockError(error) || error.code !== 'BLOCK_CLAIMED') throw error
    const message = error.message.replace(`the ${PUSHING} role`, 'the producer role')
    throw new BlockError(error.code, message, error.details, error)
  }
}

/**
 * The holders of the roles, as far as this machine knows. A command that pushes counts also while it waits for a
 * suspended ring.
 */
export async function holdersOf(
  device: BlockDevice,
  key: AskOptions['key'] = keyOf(device),
): Promise<RingHolders> {
  const [producer, pushing, consumer] = await Promise.all(
    ['producer', PUSHING, 'consumer'].map((role) => device.holderOf(role, { key })),
  )
  return { producer: producer ?? pushing, consumer }
}
