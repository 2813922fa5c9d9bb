import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What the kernels take for a socket's name: 108 bytes on Linux, 104 elsewhere, with the final zero. */
const MAX_NAME = 100

/** Where the holder of a role listens. */
export interface ClaimAddress {
  readonly path: string
  /** The name outlives its process, so a dead one has to be told from a live one. */
  readonly stale: boolean
}

/**
 * The address of a role of a device. Two processes that mean the same device and role get the same one, and
 * only one of them can listen at it.
 *
 * Linux: an abstract socket, which the kernel takes away with the process; one name space for each network
 * namespace. Windows: a named pipe, likewise. Elsewhere: a socket file in the directory for temporary files,
 * which some systems have one of for each user.
 */
export function claimAddress(
  key: string,
  role: string,
  platform: NodeJS.Platform = process.platform,
): ClaimAddress {
  if (platform === 'linux') return { path: `\0${bounded(key, role)}`, stale: false }
  if (platform === 'win32') {
    return { path: `\\\\.\\pipe\\${bounded(key, role).replaceAll(/[/:]/g, '-')}`, stale: false }
  }
  return { path: join(tmpdir(), `sbr-${digest(`${key}/${role}`)}.sock`), stale: true }
}

function bounded(key: string, role: string): string {
  const name = `shared-block-ring/${key}/${role}`
  return name.length <= MAX_NAME ? name : `shared-block-ring/${digest(`${key}/${role}`)}`
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
