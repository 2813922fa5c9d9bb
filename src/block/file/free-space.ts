import { statfs } from 'node:fs/promises'

/**
 * Why there is no room for so many bytes more on the file system that a path is on; undefined if there is, or if nothing tells. To
 * know it before a long run of writes; what others write meanwhile, and quotas, are met all the same. It has the code ENOSPC, which
 * the system would answer later.
 */
export async function lackOfSpace(path: string, bytes: number): Promise<Error | undefined> {
  const found = await statfs(path, { bigint: true }).catch(() => undefined)
  // Some network file systems count nothing.
  if (found === undefined || found.blocks === 0n) return undefined
  const blocks = process.geteuid?.() === 0 ? found.bfree : found.bavail
  const free = blocks * found.bsize
  if (free >= BigInt(bytes)) return undefined
  const text =
    `it takes ${bytes} bytes, but its file system has ${free} free; free some space, or choose ` +
    'a smaller size'
  return Object.assign(new Error(text), { code: 'ENOSPC' })
}
