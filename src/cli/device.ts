import { systemCode } from '../block/file/errors.ts'
import { FileBlockDevice, type FileBlockDeviceOptions } from '../block/file.ts'
import { isNbdUri } from '../block/nbd/uri.ts'
import type { NbdBlockDevice } from '../block/nbd.ts'
import { isBlockError } from '../errors.ts'
import { CommandError, EXIT, usageError } from './errors.ts'
import type { CommonFlags } from './flags.ts'

/** What a command can be given. */
export type OpenedDevice = FileBlockDevice | NbdBlockDevice

/** Opens the device that a command was given: a path, or an NBD URI. */
export async function openDevice(
  path: string,
  mode: 'read-only' | 'read-write' | 'auto',
  { sectorSize }: CommonFlags,
  options: Pick<FileBlockDeviceOptions, 'exclusive'> = {},
): Promise<OpenedDevice> {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path) ?? []
  if (scheme !== undefined && !isNbdUri(path) && !/^file$/i.test(scheme)) {
    throw usageError(`expected a path, a file:// URI or an NBD URI, found the scheme ${scheme}`)
  }
  const settings = { mode, ...(sectorSize !== undefined && { sectorSize }), ...options }
  try {
    if (!isNbdUri(path)) return await FileBlockDevice.open(path, settings)
    // Few need it, and it takes a while to load.
    const nbd = await import('../block/nbd.ts')
    return await nbd.NbdBlockDevice.connect(path, settings)
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--sector-size: ${error.message}`)
    throw isMissing(path, error) ? missing(path, error) : error
  }
}

function isMissing(path: string, error: unknown): boolean {
  return !isNbdUri(path) && isBlockError(error) && systemCode(error.cause) === 'ENOENT'
}

function missing(path: string, cause: unknown): CommandError {
  const message = `there is no ${path}; check the path, or make it: sbr create ${path}`
  return new CommandError(EXIT.fault, 'BLOCK_OPEN', message, { device: path }, cause)
}
