import { randomBytes } from 'node:crypto'
import { type FileHandle, link, lstat, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BlockError } from '../../errors.ts'
import { explain, isSystemError, openError, systemCode } from './errors.ts'
import { type FillOptions, fillWithZeroes } from './fill.ts'

/**
 * Makes a file of zeroes that is either there in full or not at all: it grows under a temporary name
 * (`<path>.<random>.tmp`, which a crash leaves behind and anybody may delete) and gets its own at the end.
 * @throws {BlockError} `BLOCK_EXISTS`, `BLOCK_OPEN`; or the signal's reason
 */
export async function createFile(
  path: string,
  sizeBytes: number,
  sectorSize: number,
  options: FillOptions,
): Promise<void> {
  options.signal?.throwIfAborted()
  // Only to fail before a long run of writes; the link below is what never overwrites.
  if (await exists(path)) throw existsError(path)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await attempt(path, () => open(temporary, 'wx'))
  try {
    await writeOut(path, file, sizeBytes, sectorSize, options)
    await attempt(path, () => link(temporary, path))
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
  options: FillOptions,
): Promise<void> {
  try {
    await attempt(path, () => fillWithZeroes(file.fd, 0, sizeBytes, sectorSize, options))
    await attempt(path, () => file.sync())
  } finally {
    await file.close()
  }
  options.signal?.throwIfAborted()
}

/** Reports system errors as ours, and leaves those of the caller's signal and callback alone. */
async function attempt<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (cause) {
    if (!isSystemError(cause)) throw cause
    if (systemCode(cause) === 'EEXIST') throw existsError(path, cause)
    throw openError(path, `it could not be created: ${explain(cause)}`, cause)
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}

function existsError(path: string, cause?: unknown): BlockError<'BLOCK_EXISTS'> {
  const message = `${path} exists already and was left as it is; open it, or choose another path`
  return new BlockError('BLOCK_EXISTS', message, { device: path }, cause)
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
