import { stat } from 'node:fs/promises'
import { FileBlockDevice } from '../block/file.ts'
import { isNbdUri } from '../block/nbd/uri.ts'
import type { OpenedDevice } from './device.ts'
import { CommandError, EXIT } from './errors.ts'
import { grouped } from './render.ts'

/** Whether a path that was opened as a device is a regular file, a raw block device or an NBD export. */
export async function kindOf(path: string): Promise<'file' | 'raw' | 'nbd'> {
  if (isNbdUri(path)) return 'nbd'
  return (await stat(path)).isFile() ? 'file' : 'raw'
}

/** Bytes at the end of a file or export that are no whole sector, and so no part of the device. */
export async function unusedBytes(device: OpenedDevice, sectorSize: number): Promise<number> {
  if (!(device instanceof FileBlockDevice)) return device.unusedBytes
  const stats = await stat(device.name)
  return stats.isFile() ? stats.size % sectorSize : 0
}

/**
 * Commands that say something of a whole file must not leave its end out.
 * @throws {CommandError} the device is not all of the file
 */
export async function checkWhole(device: OpenedDevice): Promise<void> {
  const { sectorSize } = await device.getInfo()
  const unused = await unusedBytes(device, sectorSize)
  if (unused === 0) return
  const message =
    `${device.name} is no whole number of sectors of ${sectorSize} bytes: ${grouped(unused)} bytes are left over ` +
    'at its end; nothing was done'
  const details = { device: device.name, expected: `a multiple of ${sectorSize} bytes`, unused }
  throw new CommandError(EXIT.fault, 'CLI_SIZE', message, details)
}
