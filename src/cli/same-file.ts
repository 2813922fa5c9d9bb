import { stat } from 'node:fs/promises'
import { claimTarget } from '../block/nbd/claim.ts'
import { isNbdUri, parseNbdUri } from '../block/nbd/uri.ts'

/** Whether two paths of files that are there mean the same file or raw device, or two URIs the same export. */
export async function isSameFile(first: string, second: string): Promise<boolean> {
  if (isNbdUri(first) || isNbdUri(second)) {
    if (!isNbdUri(first) || !isNbdUri(second)) return false
    const [a, b] = await Promise.all([first, second].map((uri) => claimTarget(parseNbdUri(uri))))
    return a?.key === b?.key
  }
  const [a, b] = await Promise.all([stat(first, { bigint: true }), stat(second, { bigint: true })])
  if (a.isBlockDevice() && b.isBlockDevice()) return a.rdev === b.rdev
  return a.dev === b.dev && a.ino === b.ino
}
