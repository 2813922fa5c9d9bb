import { existsSync, readFileSync, statSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** The unit of `size`, for every block size. */
export const SYSFS_SECTOR = 512

/** The facts that Linux reports about a raw block device. */
export interface RawDevice {
  /** Stable while the device exists: `major:minor`. */
  readonly id: string
  readonly sizeBytes: number
  /** The smallest unit of I/O. */
  readonly logicalBlockSize: number
  readonly readOnly: boolean
  /** An `O_DSYNC` write costs one request: the device has FUA, or no volatile cache to flush. */
  readonly cheapDsync: boolean
  /** It can make a range read as zeroes and free the space, so holes can be punched. */
  readonly zeroes: boolean
}

/** `major:minor` of a device number from `stat` (encoded as Linux's C libraries do). */
export function deviceId(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}

/**
 * Reads a raw block device's size and blocks from sysfs, because `stat` reports size 0.
 * @throws {Error} the system error, if sysfs is missing or does not know the device
 */
export async function readRawDevice(id: string, sysfs = '/sys'): Promise<RawDevice> {
  const directory = await realpath(join(sysfs, 'dev/block', id))
  const queue = await queueDirectory(directory)
  const [size, readOnly, logicalBlockSize, writeCache, fua, zeroes] = await Promise.all([
    read(join(directory, 'size')),
    read(join(directory, 'ro')),
    read(join(queue, 'logical_block_size')),
    optional(join(queue, 'write_cache')),
    optional(join(queue, 'fua')),
    optional(join(queue, 'write_zeroes_max_bytes')),
  ])
  return {
    id,
    sizeBytes: Number(size) * SYSFS_SECTOR,
    logicalBlockSize: Number(logicalBlockSize),
    readOnly: readOnly !== '0',
    cheapDsync: fua === '1' || writeCache === 'write through',
    zeroes: zeroes !== undefined && Number(zeroes) > 0,
  }
}

/** The smallest sector size that a path can be opened with; 1 if it is unknown, or not a raw device. */
export function smallestSector(path: string, sysfs = '/sys'): number {
  try {
    const stats = statSync(path, { bigint: true })
    if (!stats.isBlockDevice()) return 1
    // Not joined: the directory is a symbolic link, and `..` has to be the parent of its target.
    const directory = `${sysfs}/dev/block/${deviceId(stats.rdev)}`
    const disk = existsSync(`${directory}/partition`) ? `${directory}/..` : directory
    return Number(readFileSync(`${disk}/queue/logical_block_size`, 'latin1'))
  } catch {
    return 1
  }
}

/** A partition uses its disk's queue, and the disk's directory contains the partition's. */
async function queueDirectory(directory: string): Promise<string> {
  const partition = await optional(join(directory, 'partition'))
  return join(partition === undefined ? directory : dirname(directory), 'queue')
}

async function read(path: string): Promise<string> {
  return (await readFile(path, 'latin1')).trim()
}

/** For attributes that some kernels lack. */
async function optional(path: string): Promise<string | undefined> {
  try {
    return await read(path)
  } catch {
    return undefined
  }
}
