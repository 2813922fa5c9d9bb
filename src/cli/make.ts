import { lstat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { BlockDevice } from '../block/device.ts'
import { FileBlockDevice } from '../block/file.ts'
import { MIN_SECTORS } from '../ring/format1/layout.ts'
import { openDevice } from './device.ts'
import { CommandError, EXIT, usageError } from './errors.ts'
import type { CommonFlags } from './flags.ts'
import { showProgress } from './progress.ts'
import { grouped } from './render.ts'

/** The size of a new file, if none is given. */
const DEFAULT_BYTES = 64 << 20
/** Zeroes are written in pieces, to show progress and to be able to stop. */
const ERASE_BYTES = 4 << 20

/** What `create` is given about the device. */
export interface MakeFlags extends CommonFlags {
  readonly size?: number
}

/** The device, for this command alone: what is there as it is, or else a new file. */
export async function openOrCreate(
  path: string,
  flags: MakeFlags,
  signal: AbortSignal,
): Promise<FileBlockDevice> {
  if (!(await isThere(path))) return createFile(path, flags, signal)
  // A raw device with a mounted file system on it is refused.
  const device = await openDevice(path, 'read-write', flags, { exclusive: true })
  try {
    await checkSize(device, flags.size)
    return device
  } catch (error) {
    await device.disconnect()
    throw error
  }
}

async function createFile(
  path: string,
  { size = DEFAULT_BYTES, sectorSize = 512 }: MakeFlags,
  signal: AbortSignal,
): Promise<FileBlockDevice> {
  if (dirname(path) === '/dev') {
    throw new CommandError(EXIT.fault, 'BLOCK_OPEN', `there is no device ${path}`, { device: path })
  }
  if (size % sectorSize !== 0 || size < MIN_SECTORS * sectorSize) {
    throw usageError(
      `--size: expected at least ${MIN_SECTORS} whole sectors of ${sectorSize} bytes, found ${size} bytes`,
    )
  }
  using progress = showProgress('creating')
  const onProgress = progress.update
  const options = { sizeBytes: size, sectorSize, exclusive: true, onProgress, signal }
  return await FileBlockDevice.create(path, options)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    // Anything else is told when it is opened.
    return !(error instanceof Error && Reflect.get(error, 'code') === 'ENOENT')
  }
}

async function checkSize(device: BlockDevice, size: number | undefined): Promise<void> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const found = sizeSectors * sectorSize
  if (size === undefined || size === found) return
  throw usageError(
    `--size: ${device.name} is there already and has ${grouped(found)} bytes, not ${grouped(size)}; ` +
      'leave --size away to use it as it is',
  )
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
