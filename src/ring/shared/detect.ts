import type { BlockDevice } from '../../block/device.ts'
import { readRange } from '../../block/read-range.ts'
import { isRingError } from '../../errors.ts'
import { Lazy } from '../../util/lazy.ts'
import { hasMagic } from '../format1/magic.ts'
import { GUARD_BYTES, isGuarded, kindInGuard } from '../format2/disk/guard.ts'
import { credible, readSuperblocks } from '../format2/disk/identify.ts'
import { isValidCopy } from '../format2/disk/superblock-copy.ts'

const refusals = new Lazy(() => import('../format2/disk/superblock-errors.ts'))
/** Loaded on demand: the guard identifies the content of most devices. */
const directories = new Lazy(() => import('../format2/disk/directory-copies.ts'))
const loaded = async (): Promise<typeof import('../format2/disk/directory-copies.ts')> =>
  directories.value ?? (await directories.load())

/**
 * Detects the format of a device's ring. Without a ring the result is 1, and attaching then reports what format 1
 * expects. It is 2 only if most of the guard is present, because an item of a format 1 ring can contain a whole ring of
 * format 2.
 * @throws {RingError} `RING_IS_POOL`; `RING_CORRUPT` if there is a superblock, and neither a guard nor a ring of format
 *   1
 */
export async function detectFormat(device: BlockDevice): Promise<1 | 2> {
  const found = await contentOf(device)
  if (found === 'pool') throw (await loaded()).poolFound(device.name)
  return found
}

/**
 * Checks that a device is not a pool, where an apparent ring may be one of its rings, or inside an item.
 * @throws {RingError} `RING_IS_POOL`
 */
export async function refusePool(device: BlockDevice): Promise<void> {
  if (await holdsPool(device)) throw (await loaded()).poolFound(device.name)
}

/** True if a device holds a pool. */
export async function holdsPool(device: BlockDevice): Promise<boolean> {
  try {
    return (await contentOf(device)) === 'pool'
  } catch (error) {
    if (isRingError(error)) return false
    throw error
  }
}

async function contentOf(device: BlockDevice): Promise<1 | 2 | 'pool'> {
  const info = await device.getInfo()
  const { sectorSize, sizeSectors } = info
  const { bytes: start } = await readRange(device, 0, GUARD_BYTES, info)
  const guarded = isGuarded(start)
  const kind = guarded ? kindInGuard(start) : undefined
  if (kind !== undefined) return kind === 'pool' ? 'pool' : 2
  const bool = start[sectorSize + 8]
  if (!guarded && hasMagic(start) && (bool === 1 || bool === 2)) return 1
  const sound = (await readSuperblocks(device, info)).filter(isValidCopy)
  if (await (await loaded()).hasDirectory(device, info, sound)) return 'pool'
  if (guarded) return 2
  const [copy] = credible(sound, sectorSize * sizeSectors)
  if (copy === undefined) return 1
  const { unguarded } = await refusals.load()
  throw unguarded(device.name, copy)
}
