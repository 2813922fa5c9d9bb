import { lstat, stat } from 'node:fs/promises'
import { FileBlockDevice } from '../../block/file/index.ts'
import { systemCode } from '../../block/native/errors.ts'
import { isNbdUri } from '../../block/nbd/uri.ts'
import { isBlockError } from '../../errors.ts'
import { holdsPool } from '../../ring/shared/detect.ts'
import { usageError } from '../errors.ts'

/** A ring of a pool, as it is named on a command line: `DEVICE#NAME`. */
export interface RingPath {
  readonly device: string
  readonly ring: string
}

/**
 * Splits `DEVICE#NAME`. If a file of that whole name exists, it is meant; if nothing exists before the `#`, it is part
 * of the name of a file to create. `DEVICE/#NAME` names no file, unless the device is a folder. In a URI a `#` has no
 * other use.
 * @returns undefined if the path names a whole device
 * @throws {CommandError} there is a file of that name, and a pool before the `#`: another user may have made either
 */
export async function ringPathOf(path: string): Promise<RingPath | undefined> {
  const at = isNbdUri(path) ? path.indexOf('#') : path.lastIndexOf('#')
  if (at < 1 || at === path.length - 1) return undefined
  const [before, ring] = [path.slice(0, at), path.slice(at + 1)]
  if (isNbdUri(path)) return { device: before, ring: decodeURIComponent(ring) }
  const device = before.replace(/(?<=[^/])\/+$/, '')
  if (!(await exists(device)) || (await isFolder(device))) return undefined
  if (!(await exists(path))) return { device, ring }
  if (!(await isPool(device))) return undefined
  throw usageError(
    `${path} is a file, and ${device} is a pool, so this may be one of its rings: nothing was done. If it is for the ring, say ` +
      `${device}/#${ring}; if it is for the file, give that a name without #`,
  )
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    // Opening the path reports any other error.
    return systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR'
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/** True if this user can see that a path leads to a pool. */
async function isPool(path: string): Promise<boolean> {
  try {
    await using device = await FileBlockDevice.open(path, { mode: 'read-only' })
    return await holdsPool(device)
  } catch (error) {
    if (isBlockError(error) && error.code === 'BLOCK_OPEN') return false
    throw error
  }
}
