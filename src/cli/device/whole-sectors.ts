import { stat } from 'node:fs/promises'
import { isNbdUri } from '../../block/nbd/uri.ts'
import { grouped } from '../../text/render.ts'
import { CommandError, EXIT } from '../errors.ts'
import type { OpenedDevice } from './device.ts'
import { ringPathOf } from './ring-path.ts'

/**
 * True if a path that was opened as a device, or the pool of a ring that was, is a regular file, a raw block device or
 * an NBD export.
 */
export async function kindOf(path: string): Promise<'file' | 'raw' | 'nbd'> {
  const { device = path } = (await ringPathOf(path)) ?? {}
  if (isNbdUri(device)) return 'nbd'
  return (await stat(device)).isFile() ? 'file' : 'raw'
}

/**
 * Commands that report on a whole file must not omit its end.
 * @throws {CommandError} the device is not all of the file
 */
export async function checkWhole(device: OpenedDevice): Promise<void> {
  const { sectorSize, unusedBytes: unused = 0 } = await device.getInfo()
  if (unused === 0) return
  const message =
    `${device.name} is not a whole number of ${sectorSize}-byte sectors: ${grouped(unused)} bytes are left over ` +
    'at its end; nothing was done'
  const details = { device: device.name, expected: `a multiple of ${sectorSize} bytes`, unused }
  throw new CommandError(EXIT.fault, 'CLI_SIZE', message, details)
}
