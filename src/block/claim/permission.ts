import { readFileSync } from 'node:fs'
import type { Peer } from '../native/sockets.ts'

/** The attributes that decide which users may open a file for writing. */
export interface FileAccess {
  readonly uid: number
  readonly gid: number
  readonly mode: number
  /** The file has an access control list, which is not evaluated here. */
  readonly hasAcl: boolean
}

const GROUP_WRITE = 0o020
const OTHER_WRITE = 0o002
/** The number of every user that is not mapped in this user namespace. */
const OVERFLOW_ID = 65_534

/**
 * True if a user certainly cannot open a file for writing. Root and the owner always can, because they can change the
 * mode. A program that opened it earlier, as another user, is not detected.
 */
export function cannotWrite({ uid, groups }: Peer, file: FileAccess): boolean {
  if (uid === 0 || uid === file.uid || file.hasAcl || (file.mode & OTHER_WRITE) !== 0) return false
  if ((file.mode & GROUP_WRITE) === 0) return true
  return groups !== undefined && !groups.includes(file.gid)
}

/** True if the number stands for a user outside this user namespace. */
export function isForeign(uid: number, readMap: () => string = readUidMap): boolean {
  if (uid !== OVERFLOW_ID) return false
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readMap())
  } catch {
    return true
  }
}

function readUidMap(): string {
  return readFileSync('/proc/self/uid_map', 'latin1')
}
