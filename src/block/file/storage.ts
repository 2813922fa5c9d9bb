import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileKey } from './open.ts'
import { deviceId, SYSFS_SECTOR } from './sysfs.ts'

/** Stacked devices are followed this far down. */
const MAX_DEPTH = 8

/** A run of bytes of the storage under a path: a file, a disk, an export. */
export interface Storage {
  /** The same for every name that is known to lead to it. */
  readonly key: string
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/**
 * The storage behind a file or raw device, as far as the system knows: a loop device is its file, a partition a part
 * of its disk. One storage may still have two keys: an export of a file, two paths to one disk.
 * @throws {Error} the system error
 */
export async function storageAt(path: string, sysfs = '/sys'): Promise<Storage> {
  return storageBelow(path, sysfs, 0)
}

/**
 * Keys of the storage under a raw device, with the offset where it begins: the same for a loop device, a loop device on
 * that, and their file. None if unknown.
 */
export async function keysBelow(id: string, sysfs = '/sys'): Promise<readonly string[]> {
  const { key, start } = await rawStorage(id, sysfs, 0)
  if (key === rawKey(id)) return []
  return [start === 0 ? key : `${key}@${start}`]
}

function rawKey(id: string): string {
  return `block-${id}`
}

async function storageBelow(path: string, sysfs: string, depth: number): Promise<Storage> {
  const stats = await stat(path, { bigint: true })
  return stats.isBlockDevice()
    ? rawStorage(deviceId(stats.rdev), sysfs, depth)
    : whole(fileKey(stats))
}

async function rawStorage(id: string, sysfs: string, depth: number): Promise<Storage> {
  const itself = whole(rawKey(id))
  if (depth === MAX_DEPTH) return itself
  try {
    const directory = await realpath(join(sysfs, 'dev/block', id))
    const fact = async (name: string): Promise<string> =>
      (await readFile(join(directory, name), 'utf8')).trimEnd()
    if ((await fact('partition').catch(() => undefined)) !== undefined) {
      const disk = await readFile(join(dirname(directory), 'dev'), 'latin1')
      const [start, size] = [Number(await fact('start')), Number(await fact('size'))]
      const below = await rawStorage(disk.trim(), sysfs, depth + 1)
      return part(below, start * SYSFS_SECTOR, size * SYSFS_SECTOR)
    }
    // Not there on other devices, and names no file any more where that was removed.
    const file = await fact('loop/backing_file')
    const offset = Number(await fact('loop/offset'))
    const limit = Number(await fact('loop/sizelimit'))
    const below = await storageBelow(file, sysfs, depth + 1)
    return part(below, offset, limit === 0 ? Number.POSITIVE_INFINITY : limit)
  } catch {
    return itself
  }
}

function whole(key: string): Storage {
  return { key, start: 0, end: Number.POSITIVE_INFINITY }
}

function part({ key, start, end }: Storage, offset: number, bytes: number): Storage {
  return { key, start: start + offset, end: Math.min(end, start + offset + bytes) }
}

/** True if they have bytes in common. */
export function overlaps(a: Storage, b: Storage): boolean {
  return a.key === b.key && a.start < b.end && b.start < a.end
}
