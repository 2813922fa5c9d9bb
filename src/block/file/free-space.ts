import { statfs } from 'node:fs/promises'
import { ownUser } from '../native/runtime.ts'

/**
 * The reason why the file system of a path has no room for more bytes; undefined if it has, or if that is unknown. A
 * check before a long run of writes: quotas and concurrent writers can still fill the disk. The error has the code
 * ENOSPC, as the system's own would.
 */
export async function lackOfSpace(path: string, bytes: number): Promise<Error | undefined> {
  const found = await statfs(path, { bigint: true }).catch(() => undefined)
  // Some network file systems count nothing.
  if (found === undefined || found.blocks === 0n) return undefined
  const blocks = ownUser()?.uid === 0 ? found.bfree : found.bavail
  const free = blocks * found.bsize
  if (free >= BigInt(bytes)) return undefined
  const text =
    `it takes ${bytes} bytes, but its file system has ${free} free; free some space, or choose ` +
    'a smaller size'
  return Object.assign(new Error(text), { code: 'ENOSPC' })
}
