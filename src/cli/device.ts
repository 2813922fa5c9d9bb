import { systemCode } from '../block/file/errors.ts'
import { FileBlockDevice, type FileBlockDeviceOptions } from '../block/file.ts'
import { isBlockError } from '../errors.ts'
import { CommandError, EXIT, usageError } from './errors.ts'
import type { CommonFlags } from './flags.ts'

/** Opens the device that a command was given. */
export async function openDevice(
  path: string,
  mode: 'read-only' | 'read-write' | 'auto',
  { sectorSize }: CommonFlags,
  options: Pick<FileBlockDeviceOptions, 'exclusive'> = {},
): Promise<FileBlockDevice> {
  try {
    return await FileBlockDevice.open(path, {
      mode,
      ...(sectorSize !== undefined && { sectorSize }),
      ...options,
    })
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--sector-size: ${error.message}`)
    throw isMissing(error) ? missing(path, error) : error
  }
}

function isMissing(error: unknown): boolean {
  return isBlockError(error) && systemCode(error.cause) === 'ENOENT'
}

function missing(path: string, cause: unknown): CommandError {
  const message = `there is no ${path}; check the path, or make it: sbr create ${path}`
  return new CommandError(EXIT.fault, 'BLOCK_OPEN', message, { device: path }, cause)
}
