import type { BigIntStats } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import { dirname, isAbsolute, join, parse } from 'node:path'
import { type BlockError, isBlockError } from '../../errors.ts'
import { explain, openError, systemCode } from '../native/errors.ts'

/** Links that Linux follows in one path. */
const MAX_LINKS = 40

/**
 * The target of a dangling symbolic link. No file is created there: in a directory that others can write to, the link
 * may be theirs.
 * @returns undefined for any other path
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
    // Using the path reports the system error.
  }
  return undefined
}

/** The message for a dangling link, with advice. */
export function danglingText(target: string): string {
  return `it is a symbolic link to ${target}, which does not exist; create a file there, or remove the link`
}

/**
 * The file that a path leads to, following only symbolic links of this user and of root.
 * @throws {BlockError} `BLOCK_OPEN`: the path contains another link
 */
export async function ownTarget(path: string): Promise<BigIntStats> {
  try {
    return await walk(path)
  } catch (cause) {
    throw isBlockError(cause) ? cause : openError(path, explain(cause), cause)
  }
}

async function walk(path: string): Promise<BigIntStats> {
  // Not joined: the folder before `..` may be a link.
  const start = isAbsolute(path) ? path : `${process.cwd()}/${path}`
  const { root } = parse(start)
  let at = root
  const names = namesIn(start.slice(root.length))
  for (let links = 0; names.length > 0; ) {
    const next = join(at, names.shift() ?? '.')
    const stats = await lstat(next, { bigint: true })
    if (!stats.isSymbolicLink()) {
      at = next
      continue
    }
    if (!isOwn(stats)) throw foreignLink(path, next, stats)
    if (++links > MAX_LINKS) throw openError(path, 'it leads through too many symbolic links')
    const target = await readlink(next)
    names.unshift(...namesIn(target))
    if (isAbsolute(target)) at = root
  }
  return lstat(at, { bigint: true })
}

function namesIn(path: string): string[] {
  return path.split('/').filter((name) => name !== '')
}

function isOwn({ uid }: BigIntStats): boolean {
  // Windows has no user ids.
  const user = process.geteuid?.()
  return user === undefined || uid === 0n || uid === BigInt(user)
}

function foreignLink(path: string, link: string, { uid }: BigIntStats): BlockError<'BLOCK_OPEN'> {
  const reason =
    `${link} is a symbolic link of user ${uid}, who chooses the file that it leads to: give the path that it leads to, if that ` +
    'is what you mean'
  return openError(path, reason)
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
