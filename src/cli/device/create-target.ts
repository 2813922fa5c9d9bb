import type { Stats } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import type { TypedFlagParameter } from '@stricli/core'
import { inTurn } from '../../block/creator-claim.ts'
import type { BlockDevice } from '../../block/device.ts'
import { type CreateFileOptions, FileBlockDevice } from '../../block/file/index.ts'
import { checkFileMode } from '../../block/file/options.ts'
import { systemCode } from '../../block/native/errors.ts'
import { isNbdUri } from '../../block/nbd/uri.ts'
import { isRingError } from '../../errors.ts'
import { checkSize } from '../../ring/access/create.ts'
import type { DeviceSize } from '../../ring/format.ts'
import type { CreateOptions } from '../../ring/types.ts'
import { counted, grouped } from '../../text/render.ts'
import { usageError } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import { showProgress } from '../output/progress.ts'
import {
  checkLink,
  checkNotInDev,
  type ForceFlags,
  type OpenedDevice,
  openDevice,
  overwriting,
} from './device.ts'
import { ringPathOf } from './ring-path.ts'

/** The size of a new file, if none is given. */
const DEFAULT_BYTES = 64 << 20
/** Zeroes are written in pieces, to show progress and to be able to stop. */
const ERASE_BYTES = 4 << 20

/** Flags of a device that may have to be created. */
export interface MakeFlags extends CommonFlags, ModeFlags {
  readonly size?: number
}

/** The users that may access a new file. */
export interface ModeFlags {
  readonly mode?: number
}

export const modeFlag: TypedFlagParameter<number | undefined> = {
  kind: 'parsed',
  brief: 'Permissions of a file that is made, less the umask: 0600 to 0666',
  placeholder: 'MODE',
  optional: true,
  parse: parseMode,
}

function parseMode(text: string): number {
  const fileMode = /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
  try {
    return checkFileMode({ fileMode })
  } catch {
    throw usageError(
      `--mode: expected 0600 to 0666, without execution, such as 0660, found '${text}'`,
    )
  }
}

/** Flags for a copy of a path: a file's permissions carry over, unless the flags set others. */
export async function withModeOf<Flags extends ModeFlags>(
  path: string,
  flags: Flags,
): Promise<Flags> {
  const stats = flags.mode === undefined ? await statOf(path) : undefined
  return stats?.isFile() === true ? { ...flags, mode: (stats.mode & 0o666) | 0o600 } : flags
}

/**
 * The device, exclusively for this command: the existing one unchanged, or a new file. Waits for another command that
 * makes a ring there.
 */
export async function openOrCreate(
  path: string,
  flags: MakeFlags & ForceFlags,
  ring: CreateOptions,
  signal: AbortSignal,
): Promise<OpenedDevice> {
  const device = await openAlone(path, flags, ring, signal)
  try {
    await checkSizeFlag(path, device, flags.size, ring)
    return device
  } catch (error) {
    await device.disconnect()
    throw error
  }
}

async function openAlone(
  path: string,
  flags: MakeFlags & ForceFlags,
  ring: CreateOptions,
  signal: AbortSignal,
): Promise<OpenedDevice> {
  if ((await vacancyAt(path)) !== undefined) {
    const { size = DEFAULT_BYTES, sectorSize = 512 } = flags
    await checkNewSize(path, size, sectorSize, ring)
    const make = { sizeBytes: size, sectorSize, ...fileModeOf(flags), signal }
    return inTurn(() => makeFile('openOrCreate', path, make), { signal })
  }
  const open = (): Promise<OpenedDevice> =>
    openDevice(path, 'read-write', flags, overwriting(flags))
  const stats = await statOf(path)
  // A raw device with a mounted file system is refused; waiting for it would not help.
  return stats?.isBlockDevice() === true ? open() : inTurn(open, { signal })
}

async function checkNewSize(
  path: string,
  size: number,
  sectorSize: number,
  ring: CreateOptions,
): Promise<void> {
  try {
    await checkFits({ name: path, sectorSize, sizeSectors: Math.floor(size / sectorSize) }, ring)
  } catch (error) {
    if (!isRingError(error)) throw error
    throw usageError(`--size: expected ${error.details.expected}, found ${size} bytes`)
  }
  const over = size % sectorSize
  if (over === 0) return
  throw usageError(
    `--size: ${size} bytes are no multiple of the sector size, ${sectorSize} bytes; the nearest sizes that are: ` +
      `${size - over} and ${size - over + sectorSize}`,
  )
}

/**
 * Checks that the ring fits, before any content is overwritten for it.
 * @throws {RingError} `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`
 * @throws {CommandError} the block size is invalid
 */
export async function checkFits(size: DeviceSize, ring: CreateOptions): Promise<void> {
  try {
    await checkSize(size, ring)
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--block-size: ${error.message}`)
    throw error
  }
}

/** True if a new file only reserves space for written data. */
export interface SparseFlag {
  readonly sparse?: boolean
}

/** Makes a file of zeroes, for this command alone. */
export function createFile(
  path: string,
  sizeBytes: number,
  { sectorSize = 512, sparse = false, ...flags }: CommonFlags & ModeFlags & SparseFlag,
  signal: AbortSignal,
): Promise<FileBlockDevice> {
  return makeFile('create', path, { sizeBytes, sectorSize, sparse, ...fileModeOf(flags), signal })
}

function fileModeOf({ mode }: ModeFlags): Pick<CreateFileOptions, 'fileMode'> {
  return mode === undefined ? {} : { fileMode: mode }
}

async function makeFile(
  how: 'create' | 'openOrCreate',
  path: string,
  options: CreateFileOptions,
): Promise<FileBlockDevice> {
  checkNotInDev(path)
  using progress = showProgress('creating')
  return await FileBlockDevice[how](path, {
    ...options,
    exclusive: true,
    onProgress: progress.update,
  })
}

/**
 * True if the path exists. An export or a ring of a pool cannot be created here, so it has to exist.
 * @throws {CommandError} the path is a dangling link
 */
export async function isThere(path: string): Promise<boolean> {
  if (isNbdUri(path) || (await ringPathOf(path)) !== undefined) return true
  await checkLink(path)
  try {
    await lstat(path)
    return true
  } catch (error) {
    // Opening the path reports any other error.
    return systemCode(error) !== 'ENOENT'
  }
}

/** The content of a path before a file is created there: nothing, or an empty file; undefined for anything else. */
export type Vacancy = 'nothing' | 'empty' | undefined

export async function vacancyAt(path: string): Promise<Vacancy> {
  if (!(await isThere(path))) return 'nothing'
  const stats = await statOf(path)
  return stats?.isFile() === true && stats.size === 0 ? 'empty' : undefined
}

/** Undefined for exports and rings of pools, and if the system refuses; opening the path then reports why. */
async function statOf(path: string): Promise<Stats | undefined> {
  return isNbdUri(path) ? undefined : await stat(path).catch(() => undefined)
}

async function checkSizeFlag(
  path: string,
  device: BlockDevice,
  size: number | undefined,
  ring: CreateOptions,
): Promise<void> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  if (size === undefined || size === sizeSectors * sectorSize) return
  const bytes = await bytesAt(path, sizeSectors * sectorSize)
  const advice = (await isTooSmall({ name: path, sectorSize, sizeSectors }, ring))
    ? 'that is too small for a ring; choose another path, or remove it first'
    : 'omit --size to use it unchanged'
  throw usageError(
    `--size: ${path} exists and has ${counted(bytes, 'byte')}, not ${grouped(size)}; ${advice}`,
  )
}

/** A file's own size: its device only has whole sectors. */
async function bytesAt(path: string, deviceBytes: number): Promise<number> {
  const file = await statOf(path)
  return file?.isFile() === true ? file.size : deviceBytes
}

/** True if the device is too small for the ring. */
export async function isTooSmall(size: DeviceSize, ring: CreateOptions): Promise<boolean> {
  try {
    await checkFits(size, ring)
    return false
  } catch (error) {
    if (isRingError(error)) return true
    throw error
  }
}

/** Overwrites the whole device with zeroes, its start first, so that the old content is no longer recognised. */
export async function eraseDevice(device: BlockDevice, signal: AbortSignal): Promise<void> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const step = Math.max(1, Math.floor(ERASE_BYTES / sectorSize))
  using progress = showProgress('erasing')
  for (let sector = 0; sector < sizeSectors; sector += step) {
    signal.throwIfAborted()
    const sectors = Math.min(step, sizeSectors - sector)
    await device.writeZeroes(sector, sectors)
    progress.update((sector + sectors) * sectorSize, sizeSectors * sectorSize)
  }
  await device.flush()
}
