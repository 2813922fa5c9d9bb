import { randomBytes } from 'node:crypto'
import { type FileHandle, link, lstat, open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BlockError } from '../../errors.ts'
import { acquireClaim } from '../claim/claim.ts'
import { CREATOR } from '../creator-claim.ts'
import type { Native } from '../native/calls.ts'
import { explain, isSystemError, systemCode } from '../native/errors.ts'
import { lackOfSpace } from './free-space.ts'
import { type FillOptions, fillWithZeroes } from './io/fill.ts'
import { danglingTarget, danglingText } from './links.ts'
import { fileKey } from './open.ts'
import { type CreateFileOptions, checkFileMode } from './options.ts'

/** The temporary name begins with at most this much of the file's own name, which may have the maximum length. */
const NAME_START = 32

/** The error of `link` on file systems without hard links: FAT, some network and FUSE file systems. */
const NO_LINKS: readonly (string | undefined)[] = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']

/** The reasons why a file cannot be created, with the remedies. */
const REASONS: Readonly<Record<string, (directory: string) => string>> = {
  ENOENT: (directory) => `the directory ${directory} does not exist; make it first`,
  ENOSPC: () => 'the disk is full; free some space, or choose a smaller size',
  EDQUOT: () => "this user's quota is used up; free some space, or choose a smaller size",
  EFBIG: () => 'the file system does not support files of this size; choose a smaller one',
  ENAMETOOLONG: () => 'its name or path is too long; choose a shorter one',
  EACCES: (directory) => `permission denied; let this user write to the directory ${directory}`,
  EPERM: (directory) =>
    `no user may make files in ${directory}, which is immutable or append-only: see lsattr -d`,
  EROFS: () => 'the file system is mounted read-only; choose another one',
}

/** Options of creating a file. Tests replace `linkFile` to stand for other file systems. */
export interface CreateFile extends FillOptions, Pick<CreateFileOptions, 'fileMode' | 'sparse'> {
  readonly native?: Native | undefined
  readonly linkFile?: (from: string, to: string) => Promise<void>
}

/**
 * Makes a file of zeroes atomically: it grows under a temporary name (`<path>.<random>.tmp`, which a crash leaves
 * behind and which is safe to delete) and is renamed at the end.
 * @throws {RangeError} the permissions are invalid for a file
 * @throws {BlockError} `BLOCK_EXISTS`, `BLOCK_OPEN`; or the signal's reason
 */
export async function createFile(
  path: string,
  sizeBytes: number,
  sectorSize: number,
  options: CreateFile,
): Promise<void> {
  const fileMode = checkFileMode(options)
  options.signal?.throwIfAborted()
  if (path.endsWith('/'))
    throw creationError(path, 'its name ends with /, which only fits a directory')
  // Only to fail before a long run of writes; `publish` ensures that nothing is overwritten.
  const taken = await attempt(path, () => takenBy(path))
  if (taken !== undefined) throw taken
  const lack = options.sparse === true ? undefined : await lackOfSpace(dirname(path), sizeBytes)
  if (lack !== undefined) throw creationError(path, lack.message, lack)
  const name = `${basename(path).slice(0, NAME_START)}.${randomBytes(6).toString('hex')}.tmp`
  const temporary = join(dirname(path), name)
  const file = await attempt(path, () => open(temporary, 'wx', fileMode))
  try {
    await writeOut(path, file, sizeBytes, sectorSize, options)
    await attempt(path, () => publish(temporary, path, { ...options, fileMode }))
  } finally {
    await unlink(temporary).catch(() => undefined)
  }
  await attempt(path, () => syncDirectory(dirname(path)))
}

async function writeOut(
  path: string,
  file: FileHandle,
  sizeBytes: number,
  sectorSize: number,
  options: CreateFile,
): Promise<void> {
  try {
    await attempt(path, () =>
      options.sparse === true
        ? file.truncate(sizeBytes)
        : fillWithZeroes(file.fd, 0, sizeBytes, sectorSize, options),
    )
    await attempt(path, () => file.sync())
  } finally {
    await file.close()
  }
  options.signal?.throwIfAborted()
}

async function publish(
  temporary: string,
  path: string,
  { fileMode, linkFile = link, native }: CreateFile & { readonly fileMode: number },
): Promise<void> {
  try {
    await linkFile(temporary, path)
  } catch (cause) {
    if (!NO_LINKS.includes(systemCode(cause))) throw cause
    await replaceEmpty(temporary, path, fileMode, native)
  }
}

/**
 * Without hard links: reserves the path with an empty file, which the complete one then replaces. A program that
 * finds the empty file, also after a crash, fills it; both steps need the role of its creator.
 */
async function replaceEmpty(
  temporary: string,
  path: string,
  fileMode: number,
  native: Native | undefined,
): Promise<void> {
  const file = await open(path, 'wx', fileMode)
  try {
    const identity = fileKey(await file.stat({ bigint: true }))
    const claimedFile = { fd: file.fd, raw: false, writable: true, native }
    const target = { device: path, identity, file: claimedFile, bestEffort: false }
    const claim = await acquireClaim(target, CREATOR.role, CREATOR).catch(() => {
      throw existsError(path)
    })
    try {
      if ((await file.stat()).size > 0) throw existsError(path)
      await rename(temporary, path).catch(async (cause: unknown) => {
        await unlink(path)
        throw cause
      })
    } finally {
      await claim.release()
    }
  } finally {
    await file.close()
  }
}

/** Reports system errors as a BlockError; errors of the caller's signal and callback pass unchanged. */
async function attempt<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (cause) {
    if (!isSystemError(cause)) throw cause
    if (systemCode(cause) === 'EEXIST') throw (await takenBy(path)) ?? existsError(path)
    const reason = REASONS[systemCode(cause) ?? '']?.(dirname(path))
    throw creationError(path, reason ?? explain(cause), cause)
  }
}

function creationError(path: string, reason: string, cause?: unknown): BlockError<'BLOCK_OPEN'> {
  const message = `could not create ${path}: ${reason}`
  return new BlockError('BLOCK_OPEN', message, { device: path }, cause)
}

/** The error for an existing path; undefined if there is none. */
async function takenBy(path: string): Promise<BlockError<'BLOCK_EXISTS'> | undefined> {
  try {
    await lstat(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
  const target = await danglingTarget(path)
  if (target !== undefined) return existsError(path, danglingText(target))
  const stats = await stat(path).catch(() => undefined)
  return stats?.isFile() === true && stats.size === 0
    ? existsError(path, 'it is empty, and FileBlockDevice.openOrCreate fills it')
    : existsError(path)
}

function existsError(
  path: string,
  state = 'it was not changed; open it, or choose another path',
): BlockError<'BLOCK_EXISTS'> {
  const message = `${path} exists already: ${state}`
  return new BlockError('BLOCK_EXISTS', message, { device: path })
}

/** Makes the new name durable. Windows has no such call, and needs none. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
