import { lstat, readlink } from 'node:fs/promises'
import { dirname, isAbsolute } from 'node:path'
import { systemCode } from './errors.ts'

/** Links that Linux follows in one path. */
const MAX_LINKS = 40

/**
 * Where a symbolic link leads, if nothing is there. It is not created there: in a directory that others write to, the
 * link may be theirs.
 * @returns undefined for anything else
 */
export async function danglingTarget(path: string): Promise<string | undefined> {
  try {
    for (let at = path, links = 0; links < MAX_LINKS; links++) {
      const link = await targetOf(at)
      if (link === undefined) return undefined
      at = isAbsolute(link) ? link : `${dirname(at)}/${link}`
      if (!(await isThere(at))) return at
    }
  } catch {
    // The system says why when the path is used.
  }
  return undefined
}

/** Says so, with what helps. */
export function danglingText(target: string): string {
  return `it is a symbolic link to ${target}, where nothing is; create a file there, or remove the link`
}

async function targetOf(path: string): Promise<string | undefined> {
  return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}
