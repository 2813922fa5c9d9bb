import { truncate, unlink } from 'node:fs/promises'
import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { inspectRing } from '../../ring/attach.ts'
import { withNote } from '../errors.ts'
import type { Vacancy } from './create-target.ts'
import { takeRoles } from './roles.ts'

/**
 * Takes back a file that a command made for a ring, if nothing was ever pushed to that and nobody else is at work on it.
 * @param before what was at the path before
 * @returns the command's error, with what became of the file
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
    // Somebody is at work on it, or nobody knows what it holds: it stays.
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
    return BigInt(stats?.pushedItems ?? producer.offset) > 0n
  } catch (error) {
    if (isRingError(error) && error.code === 'RING_NOT_INITIALISED') return false
    throw error
  }
}
