import { FileBlockDevice, type FileBlockDeviceOptions } from '../../block/file/index.ts'
import { danglingTarget } from '../../block/file/links.ts'
import { systemCode } from '../../block/native/errors.ts'
import type { NbdBlockDevice } from '../../block/nbd/index.ts'
import { isNbdUri } from '../../block/nbd/uri.ts'
import { isBlockError } from '../../errors.ts'
import { shellWord } from '../../util/shell-word.ts'
import { CommandError, EXIT, usageError } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import type { OpenedRing } from './opened-ring.ts'
import { ringPathOf } from './ring-path.ts'

/** A file, a raw device or an export. */
export type WholeDevice = FileBlockDevice | NbdBlockDevice
/** A device that a command can be given. */
export type OpenedDevice = WholeDevice | OpenedRing

/** Opens the device that a command was given: a path, an NBD URI, or a ring of a pool there: `DEVICE#NAME`. */
export async function openDevice(
  path: string,
  mode: 'read-only' | 'read-write' | 'auto',
  flags: CommonFlags,
  options: Pick<FileBlockDeviceOptions, 'exclusive' | 'followLinks'> = {},
): Promise<OpenedDevice> {
  const at = await ringPathOf(path)
  if (at === undefined) return openWhole(path, mode, flags, options)
  // Other programs may use other rings of the pool: the roles of this one are exclusive.
  const { exclusive: _, ...others } = options
  const below = await openWhole(at.device, mode, flags, others)
  const { OpenedRing } = await import('./opened-ring.ts')
  return await OpenedRing.open(below, at.ring)
}

/** Opens a whole device. */
export async function openWhole(
  path: string,
  mode: 'read-only' | 'read-write' | 'auto',
  { sectorSize, requestTimeout, buffered }: CommonFlags,
  options: Pick<FileBlockDeviceOptions, 'exclusive' | 'followLinks'> = {},
): Promise<WholeDevice> {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path) ?? []
  if (scheme !== undefined && !isNbdUri(path) && !/^file$/i.test(scheme)) {
    throw usageError(`expected a path, a file:// URI or an NBD URI, found the scheme ${scheme}`)
  }
  const { followLinks = 'all', ...shared } = options
  const settings = { mode, ...(sectorSize !== undefined && { sectorSize }), ...shared }
  try {
    if (!isNbdUri(path)) {
      const direct = buffered === true ? false : 'auto'
      return await FileBlockDevice.open(path, { ...settings, followLinks, direct })
    }
    // Few programs need it, and loading it takes time.
    const nbd = await import('../../block/nbd/index.ts')
    const timeout = requestTimeout === undefined ? {} : { requestTimeoutMs: requestTimeout }
    return await nbd.NbdBlockDevice.open(path, { ...settings, ...timeout })
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--sector-size: ${error.message}`)
    throw (await missing(path, error)) ?? error
  }
}

/** A flag of commands that overwrite. */
export interface ForceFlags {
  /** Overwrite existing content. */
  readonly force?: boolean
}

/** Options for a device that a command is about to overwrite. A raw device with a mounted file system is refused. */
export function overwriting({
  force,
}: ForceFlags): Pick<FileBlockDeviceOptions, 'exclusive' | 'followLinks'> {
  // Without --force no content is overwritten, wherever a link leads.
  return { exclusive: true, followLinks: force === true ? 'own' : 'all' }
}

/** The error for a missing path, with advice. */
async function missing(path: string, error: unknown): Promise<CommandError | undefined> {
  if (isNbdUri(path) || !isBlockError(error) || error.code !== 'BLOCK_OPEN') return undefined
  await checkLink(path)
  if (systemCode(error.cause) !== 'ENOENT') return undefined
  checkNotInDev(path)
  return cannotOpen(
    path,
    `there is no ${path}; check the path, or make it: sbr create ${shellWord(path)}`,
    error,
  )
}

/**
 * A file is not created through a dangling link.
 * @throws {CommandError} the path is a dangling link
 */
export async function checkLink(path: string): Promise<void> {
  const target = await danglingTarget(path)
  if (target === undefined) return
  throw cannotOpen(
    path,
    `${path} is a symbolic link to ${target}, which does not exist; make it: sbr create ${shellWord(target)}, or remove the link`,
  )
}

/**
 * No file is created in /dev: it would be gone after the next boot.
 * @throws {CommandError} the path is in /dev
 */
export function checkNotInDev(path: string): void {
  if (!/^\/dev\/(?!shm\/)/.test(path)) return
  throw cannotOpen(path, `there is no device ${path}; check the path`)
}

function cannotOpen(path: string, message: string, cause?: unknown): CommandError {
  return new CommandError(EXIT.fault, 'BLOCK_OPEN', message, { device: path }, cause)
}
