import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import { BlockError } from '../../errors.ts'
import { type FailedRequest, requestDetails, where } from '../failed-request.ts'

/** Every code of a `FileBlockDevice`. */
export type FileBlockErrorCode =
  /** The device was disconnected. */
  | 'BLOCK_DISCONNECTED'
  /** The file, the device or its file system takes no writes. */
  | 'BLOCK_READ_ONLY'
  /** The file ends before the request does: it has shrunk. */
  | 'BLOCK_SHORT'
  /** The system reported an error; it is the `cause`. */
  | 'BLOCK_IO'
  /** The path cannot be opened as a block device. */
  | 'BLOCK_OPEN'
  /** Another process holds the role, or the whole device. */
  | 'BLOCK_CLAIMED'
  /** The platform, the file system or the device cannot do that. */
  | 'BLOCK_UNSUPPORTED'
  /** The file was removed, or replaced at its path: the open handle ends. */
  | 'BLOCK_REPLACED'
  /** There is already something at the path of the file to create. */
  | 'BLOCK_EXISTS'

/** Advice for system errors. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'this user needs permission for it, and for the directories in its path',
  EPERM:
    'it was made read-only or immutable since it was opened: blockdev --getro shows that of a device, lsattr of a file',
  EINVAL:
    'direct I/O only transfers whole blocks of the disk: use a larger sectorSize, or direct: false',
  EIO: 'the disk, or the connection to it, is failing: see the kernel log',
  ELOOP: 'it is a symbolic link to itself: remove it',
  ENAMETOOLONG: 'choose a shorter one',
  ENOENT: 'check the path, or make the file with FileBlockDevice.create',
  EROFS: 'its file system became read-only, possibly after a disk error: see the kernel log',
  ENOSPC: 'free some space; FileBlockDevice.create reserves all the space of a file',
  EDQUOT: 'free some space; FileBlockDevice.create reserves all the space of a file',
}

/** The code of a system error (`EIO`), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : undefined
}

/** The end of Deno's message for most system errors, which have a code, but neither `syscall` nor `errno`. */
const OF_DENO = /\(os error \d+\)$/

/** True if the operating system reported the error, and not a caller's callback. */
export function isSystemError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (typeof Reflect.get(error, 'syscall') === 'string') return true
  return systemCode(error) !== undefined && OF_DENO.test(error.message)
}

/** The system's text, such as `i/o error (EIO)`; the message of any other error. */
export function systemText(error: unknown): string {
  const code = systemCode(error)
  if (code === undefined) return error instanceof Error ? error.message : String(error)
  const errno: unknown =
    Reflect.get(Object(error), 'errno') ?? -Number(Reflect.get(constants.errno, code))
  const text = typeof errno === 'number' ? getSystemErrorMap().get(errno)?.[1] : undefined
  return text === undefined ? code : `${text} (${code})`
}

/** The same, with advice if there is any. */
export function explain(error: unknown): string {
  const advice = ADVICE[systemCode(error) ?? '']
  return advice === undefined ? systemText(error) : `${systemText(error)}; ${advice}`
}

/** Another possible cause of EIO, of a device that is open with direct I/O. */
const OR_CACHED =
  '. If another program on this host uses it through the page cache, the two interfere: use the page cache too, direct: false'

/** The error of a failed operation on an open file; `direct` if it bypasses the page cache. */
export function ioError(
  request: FailedRequest,
  cause: unknown,
  direct = false,
): BlockError<'BLOCK_IO'> {
  const orCached = direct && systemCode(cause) === 'EIO' ? OR_CACHED : ''
  const message = `could not ${request.operation} ${where(request)}: ${explain(cause)}${orCached}`
  return new BlockError('BLOCK_IO', message, requestDetails(request), cause)
}

/** The file ends before the request does. */
export function shortError(request: FailedRequest, outcome: string): BlockError<'BLOCK_SHORT'> {
  return new BlockError(
    'BLOCK_SHORT',
    `could not ${request.operation} ${where(request)}: it ends before them, so it has shrunk since it ` +
      `was opened; ${outcome}`,
    requestDetails(request),
  )
}

/** The path cannot be opened. */
export function openError(
  device: string,
  reason: string,
  cause?: unknown,
): BlockError<'BLOCK_OPEN'> {
  return new BlockError('BLOCK_OPEN', `could not open ${device}: ${reason}`, { device }, cause)
}
