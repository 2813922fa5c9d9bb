import { lstat } from 'node:fs/promises'
import { systemCode } from '../../block/native/errors.ts'
import { isNbdUri } from '../../block/nbd/uri.ts'

/** A ring in a pool, as it is named on a command line: `DEVICE#NAME`. */
export interface RingPath {
  readonly device: string
  readonly ring: string
}

/**
 * Splits `DEVICE#NAME`. A path that exists as it is written is that file, whatever its name is; and where nothing is before the `#`, it is
 * part of the name of a file to make. In a URI nothing else is written with a `#`.
 * @returns undefined for what names a device
 */
export async function ringPathOf(path: string): Promise<RingPath | undefined> {
  const at = isNbdUri(path) ? path.indexOf('#') : path.lastIndexOf('#')
  if (at < 1 || at === path.length - 1) return undefined
  const [device, ring] = [path.slice(0, at), path.slice(at + 1)]
  if (isNbdUri(path)) return { device, ring: decodeURIComponent(ring) }
  return !(await exists(path)) && (await exists(device)) ? { device, ring } : undefined
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
