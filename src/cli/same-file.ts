import { stat } from 'node:fs/promises'

/** Whether two paths of files that are there mean the same file, or the same raw device. */
export async function isSameFile(first: string, second: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(first, { bigint: true }), stat(second, { bigint: true })])
  if (a.isBlockDevice() && b.isBlockDevice()) return a.rdev === b.rdev
  return a.dev === b.dev && a.ino === b.ino
}
