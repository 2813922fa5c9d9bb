import { type BigIntStats, constants, fstat, open, stat } from 'node:fs'
import { promisify } from 'node:util'
import { BlockError } from '../../errors.ts'
import { closeAll } from '../native/close.ts'
import { explain, openError, systemCode, systemText } from '../native/errors.ts'
import { claimedError } from '../validate.ts'
import { danglingTarget, danglingText, ownTarget } from './links.ts'
import { chooseSectorSize, type FileBlockDeviceOptions } from './options.ts'
import { deviceId, type RawDevice, readRawDevice } from './sysfs.ts'

/** A file that was opened as a device. */
export interface OpenFile {
  readonly fd: number
  /** All descriptors, for closing. */
  readonly descriptors: readonly number[]
  /** Its writes are durable when they return; only if it is writable and durability is `dsync`. */
  readonly dsyncFd: number | undefined
  /** A descriptor that goes through the page cache, for a writable file; `fd` if that does. */
  readonly cachedFd: number
  /** Undefined for a regular file. */
  readonly raw: RawDevice | undefined
  /** The same for every name and every handle of the file or device. */
  readonly key: string
  /** True if it had a name in a folder when it was opened. */
  readonly named: boolean
  readonly writable: boolean
  readonly direct: boolean
  readonly sectorSize: number
  readonly durability: 'dsync' | 'flush' | 'none'
}

/** Opens a descriptor. Tests replace it to stand for other file systems. */
export type OpenCall = (path: string, flags: number) => Promise<number>

const openPlainly: OpenCall = promisify(open)
const statCall = promisify(stat)
const fstatCall = promisify(fstat)

/**
 * Opens so that reads leave the file's access time alone: after each of them that sets it, the next durable write takes
 * a third longer on ext4. Linux lets only the file's owner ask for that.
 */
const openCall: OpenCall = async (path, flags) => {
  const { O_NOATIME = 0 } = constants
  try {
    return await openPlainly(path, flags | O_NOATIME)
  } catch (cause) {
    if (O_NOATIME === 0 || systemCode(cause) !== 'EPERM') throw cause
    return await openPlainly(path, flags)
  }
}

/** Errors of opening for writing that opening for reading may not have. */
const NOT_WRITABLE: readonly (string | undefined)[] = ['EACCES', 'EPERM', 'EROFS']

/**
 * Opens a path. It does I/O only on regular files and raw block devices.
 * @param options checked already: see `checkFileOptions`
 */
export async function openFile(
  path: string,
  options: FileBlockDeviceOptions,
  openDescriptor: OpenCall = openCall,
): Promise<OpenFile> {
  // Before it is opened, because opening may block (a pipe) or act (a tape).
  const stats = await statCall(path, { bigint: true }).catch(async (cause: unknown) => {
    const target = await danglingTarget(path)
    if (target !== undefined) throw openError(path, danglingText(target))
    throw openError(path, explain(cause), cause)
  })
  const raw = await examine(path, stats)
  const sectorSize = chooseSectorSize(path, options.sectorSize, raw)
  const main = await openMain(path, options, raw, openDescriptor)
  const { fd, writable, direct } = main
  const descriptors = [fd]
  const openAgain = async (flags: number): Promise<number> => {
    const again = await openDescriptor(path, flags).catch((cause: unknown) => {
      throw openError(path, explain(cause), cause)
    })
    descriptors.push(again)
    await checkSame(path, again, stats)
    return again
  }
  try {
    await checkSame(path, fd, stats)
    // Checked after opening: until then, the path could be redirected after its links were checked.
    if (options.followLinks === 'own') await checkSame(path, fd, await ownTarget(path))
    const durability = chooseDurability(options, raw)
    const dsyncFlags = constants.O_RDWR | constants.O_DSYNC | (direct ? constants.O_DIRECT : 0)
    const dsyncFd = durability === 'dsync' && writable ? await openAgain(dsyncFlags) : undefined
    const needsCached = direct && writable && raw === undefined
    const cachedFd = needsCached ? await openAgain(constants.O_RDONLY) : fd
    const key = raw === undefined ? fileKey(stats) : `block-${raw.id}`
    const named = stats.nlink > 0n
    return { ...main, descriptors, dsyncFd, cachedFd, raw, key, named, sectorSize, durability }
  } catch (error) {
    await closeAll(descriptors)
    throw error
  }
}

/** The key of a regular file, the same for all its names and handles. */
export function fileKey(stats: BigIntStats): string {
  return `file-${stats.dev.toString(16)}:${stats.ino.toString(16)}`
}

async function examine(path: string, stats: BigIntStats): Promise<RawDevice | undefined> {
  if (stats.isFile()) return undefined
  if (!stats.isBlockDevice())
    throw openError(path, 'it is neither a regular file nor a block device')
  if (process.platform !== 'linux') {
    const message = `${path} is a raw block device, whose size is only known on Linux`
    throw new BlockError('BLOCK_UNSUPPORTED', message, { device: path })
  }
  return readRawDevice(deviceId(stats.rdev)).catch((cause: unknown) => {
    throw openError(path, `sysfs, which has its size, reports ${explain(cause)}`, cause)
  })
}

/** The path may lead to another file between two uses of it. */
async function checkSame(path: string, fd: number, expected: BigIntStats): Promise<void> {
  const found = await fstatCall(fd, { bigint: true })
  if (found.dev !== expected.dev || found.ino !== expected.ino || found.rdev !== expected.rdev) {
    throw openError(path, 'it was replaced at that moment; open it again')
  }
}

function chooseDurability(
  { durability = 'auto' }: FileBlockDeviceOptions,
  raw: RawDevice | undefined,
): OpenFile['durability'] {
  if (durability !== 'auto') return durability
  // Elsewhere O_DSYNC is missing, or leaves the data in the disk's cache.
  if (process.platform !== 'linux') return 'flush'
  return raw === undefined || raw.cheapDsync ? 'dsync' : 'flush'
}

interface MainDescriptor {
  readonly fd: number
  readonly writable: boolean
  readonly direct: boolean
}

async function openMain(
  path: string,
  options: FileBlockDeviceOptions,
  raw: RawDevice | undefined,
  openDescriptor: OpenCall,
): Promise<MainDescriptor> {
  const { mode = 'auto', exclusive = false } = options
  const exclusiveFlag = exclusive && raw !== undefined ? constants.O_EXCL : 0
  // Linux opens a read-only device for writing, and then refuses to write.
  if (raw?.readOnly === true && mode === 'read-write') throw notWritable(path, raw)
  if (mode !== 'read-only' && raw?.readOnly !== true) {
    try {
      const flags = constants.O_RDWR | exclusiveFlag
      return { ...(await openDirect(path, flags, options, raw, openDescriptor)), writable: true }
    } catch (cause) {
      const refused = NOT_WRITABLE.includes(systemCode(cause))
      if (!refused || mode === 'read-write') throw refusal(path, raw, cause)
    }
  }
  try {
    const flags = constants.O_RDONLY | exclusiveFlag
    return { ...(await openDirect(path, flags, options, raw, openDescriptor)), writable: false }
  } catch (cause) {
    throw refusal(path, raw, cause)
  }
}

async function openDirect(
  path: string,
  flags: number,
  { direct = 'auto' }: FileBlockDeviceOptions,
  raw: RawDevice | undefined,
  openDescriptor: OpenCall,
): Promise<{ fd: number; direct: boolean }> {
  if (direct === true || (direct === 'auto' && raw !== undefined)) {
    try {
      return { fd: await openDescriptor(path, flags | constants.O_DIRECT), direct: true }
    } catch (cause) {
      if (systemCode(cause) !== 'EINVAL') throw cause
      if (direct === true) {
        const message = `the file system of ${path} refuses direct I/O; open it with direct: 'auto' or false`
        throw new BlockError('BLOCK_UNSUPPORTED', message, { device: path }, cause)
      }
    }
  }
  return { fd: await openDescriptor(path, flags), direct: false }
}

/** The caller's error for a system error of opening. */
function refusal(path: string, raw: RawDevice | undefined, cause: unknown): unknown {
  if (cause instanceof BlockError) return cause
  const code = systemCode(cause)
  if (code === 'EBUSY')
    return claimedError(path, 'device', 'another program or a mounted file system')
  if (code === 'EROFS') return notWritable(path, raw, cause)
  if (code === 'EPERM') return openError(path, `${systemText(cause)}; ${forbidden(raw)}`, cause)
  return openError(path, explain(cause), cause)
}

/** The reason why no user may open the path. */
function forbidden(raw: RawDevice | undefined): string {
  return raw === undefined
    ? 'it is immutable or append-only: lsattr shows it, and chattr -i -a ends it'
    : 'no program here may use that device, for instance in a container without access to it'
}

function notWritable(
  path: string,
  raw: RawDevice | undefined,
  cause?: unknown,
): BlockError<'BLOCK_READ_ONLY'> {
  const what =
    raw === undefined
      ? `${path} is on a file system that is mounted read-only; remount it for writing`
      : `${path} is a read-only device; make it writable where it was made or attached, or with blockdev --setrw`
  const message = `${what}, or open it with mode 'auto' or 'read-only'`
  return new BlockError('BLOCK_READ_ONLY', message, { device: path }, cause)
}
