import { lstat, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { BlockDevice } from '../block/device.ts'
import { systemCode } from '../block/file/errors.ts'
import { FileBlockDevice } from '../block/file.ts'
import { isNbdUri } from '../block/nbd/uri.ts'
import { isBlockError, isRingError } from '../errors.ts'
import type { DeviceSize } from '../ring/format.ts'
import { checkSize } from '../ring/ring.ts'
import type { CreateOptions } from '../ring/types.ts'
import { type OpenedDevice, openDevice } from './device.ts'
import { CommandError, EXIT, usageError } from './errors.ts'
import type { CommonFlags } from './flags.ts'
import { showProgress } from './progress.ts'
import { counted, grouped } from './render.ts'

/** The size of a new file, if none is given. */
const DEFAULT_BYTES = 64 << 20
/** Zeroes are written in pieces, to show progress and to be able to stop. */
const ERASE_BYTES = 4 << 20

/** What is given about a device that may have to be made. */
export interface MakeFlags extends CommonFlags {
  readonly size?: number
}

/** The device, for this command alone: what is there as it is, or else a new file. */
export async function openOrCreate(
  path: string,
  flags: MakeFlags,
  ring: CreateOptions,
  signal: AbortSignal,
): Promise<OpenedDevice> {
  if (!(await isThere(path))) return createForRing(path, flags, ring, signal)
  // A raw device with a mounted file system on it is refused.
  const device = await openDevice(path, 'read-write', flags, { exclusive: true })
  try {
    await checkSizeFlag(path, device, flags.size, ring)
    return device
  } catch (error) {
    await device.disconnect()
    throw error
  }
}

async function createForRing(
  path: string,
  { size = DEFAULT_BYTES, sectorSize = 512 }: MakeFlags,
  ring: CreateOptions,
  signal: AbortSignal,
): Promise<FileBlockDevice> {
  checkNewSize(path, size, sectorSize, ring)
  return createFile(path, size, sectorSize, signal)
}

function checkNewSize(path: string, size: number, sectorSize: number, ring: CreateOptions): void {
  try {
    checkFits({ name: path, sectorSize, sizeSectors: Math.floor(size / sectorSize) }, ring)
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
 * Checks that the ring that is wanted fits, before anything is lost for it.
 * @throws {RingError} `RING_DEVICE_TOO_SMALL`
 * @throws {CommandError} the block size cannot be
 */
export function checkFits(size: DeviceSize, ring: CreateOptions): void {
  try {
    checkSize(size, ring)
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--block-size: ${error.message}`)
    throw error
  }
}

/** Makes a file of zeroes, for this command alone. */
export async function createFile(
  path: string,
  sizeBytes: number,
  sectorSize: number,
  signal: AbortSignal,
): Promise<FileBlockDevice> {
  if (dirname(path) === '/dev') {
    throw new CommandError(EXIT.fault, 'BLOCK_OPEN', `there is no device ${path}`, { device: path })
  }
  using progress = showProgress('creating')
  const options = { sizeBytes, sectorSize, exclusive: true, onProgress: progress.update, signal }
  try {
    return await FileBlockDevice.create(path, options)
  } catch (error) {
    throw creationError(path, error)
  }
}

/** What cannot be made, and what to do about it: the library's advice is to make a file. */
export function creationError(path: string, error: unknown): unknown {
  if (!isBlockError(error)) return error
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: `there is no directory ${dirname(path)}; make that first`,
    ENOSPC: 'the disk is full; free some space',
    EDQUOT: "this user's quota is used up; free some space",
  }
  const reason = reasons[systemCode(error.cause) ?? '']
  if (reason === undefined) return error
  const message = `could not make ${path}: ${reason}`
  return new CommandError(EXIT.fault, error.code, message, { ...error.details }, error)
}

/** Whether there is anything at the path. An export cannot be made from here, so it has to be. */
export async function isThere(path: string): Promise<boolean> {
  if (isNbdUri(path)) return true
  try {
    await lstat(path)
    return true
  } catch (error) {
    // Anything else is told when it is opened.
    return !(error instanceof Error && Reflect.get(error, 'code') === 'ENOENT')
  }
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
  const advice = isTooSmall({ name: path, sectorSize, sizeSectors }, ring)
    ? 'that is too small for a ring; choose another path, or remove it first'
    : 'leave --size away to use it as it is'
  throw usageError(
    `--size: ${path} is there already and has ${counted(bytes, 'byte')}, not ${grouped(size)}; ${advice}`,
  )
}

/** A file's own size: the device that it is has only whole sectors. */
async function bytesAt(path: string, deviceBytes: number): Promise<number> {
  if (isNbdUri(path)) return deviceBytes
  const file = await stat(path)
  return file.isFile() ? file.size : deviceBytes
}

function isTooSmall(size: DeviceSize, ring: CreateOptions): boolean {
  try {
    checkFits(size, ring)
    return false
  } catch (error) {
    if (isRingError(error)) return true
    throw error
  }
}

/** Writes zeroes over the whole device, its beginning first, so that nothing takes it for what it was. */
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
