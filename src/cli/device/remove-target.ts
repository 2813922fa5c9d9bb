import { truncate, unlink } from 'node:fs/promises'
import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { withNote } from '../errors.ts'
import type { Vacancy } from './create-target.ts'
import { takeRoles } from './take-roles.ts'

/**
 * Removes a file that a command made for a ring, if nothing was ever pushed to the ring and no other program uses it.
 * @param before what the path was before
 * @returns the command's error, with the fate of the file
 */
export async function unmake(
  ring: BlockDevice,
  before: Vacancy,
  holder: string,
  error: unknown,
): Promise<unknown> {
  if (before === undefined) return error
  try {
    await using _roles = await takeRoles(ring, holder)
    if (await wasUsed(ring)) return error
    if (before === 'empty') await truncate(ring.name)
    else await unlink(ring.name)
  } catch {
    // A program uses it, or its content is unknown: keep it.
    return error
  }
  return withNote(
    error,
    `${ring.name} ${before === 'empty' ? 'is empty' : 'was removed'} again`,
    {},
  )
}

async function wasUsed(ring: BlockDevice): Promise<boolean> {
  try {
    const { stats, producer } = await inspectRing(ring)
    return BigInt(stats?.committedItems ?? producer.position) > 0n
  } catch (error) {
    if (isRingError(error) && error.code === 'RING_NOT_INITIALISED') return false
    throw error
  }
}
