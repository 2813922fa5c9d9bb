import { constants } from 'node:fs'
import { BlockError } from '../../errors.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import { checkSectorSize } from '../validate.ts'
import type { Engine } from './engine/engine.ts'
import type { FillOptions } from './io/fill.ts'
import type { RawDevice } from './sysfs.ts'

/** Options of opening a file or a raw block device. */
export interface FileBlockDeviceOptions {
  /**
   * Bytes in a sector: a power of two from 512 to 65536. Default: 512 for a file; for a raw device its logical block
   * size, of which it must be a multiple.
   */
  readonly sectorSize?: number
  /** `auto`, the default: for reading and writing if the system lets us, else for reading only. */
  readonly mode?: 'auto' | 'read-write' | 'read-only'
  /**
   * Bypass the page cache (`O_DIRECT`). `auto`, the default: for raw devices, unless the system refuses. Memory of
   * `allocate` is then transferred directly; other memory is copied. Large durable writes (1 MiB) are faster this
   * way, but reads go to the disk instead of memory.
   *
   * `false` for a raw device that another program on this host uses through the page cache, as format 1 programs do:
   * if both ways are mixed, requests fail with EIO. Never for a device that hosts share: each host would read its own
   * cache.
   */
  readonly direct?: boolean | 'auto'
  /**
   * The way in which a durable write reaches stable storage.
   *
   * - `dsync`: by one write through `O_DSYNC`, best for a file and for a disk that has FUA;
   * - `flush`: by a write and an `fdatasync`, best for a disk without FUA;
   * - `auto`, the default: the better of the two;
   * - `none`: not at all. Neither durable writes nor `flush` wait for the disk: for scratch data and tests,
   *   because a power failure loses anything.
   */
  readonly durability?: 'auto' | 'dsync' | 'flush' | 'none'
  /**
   * Which thread waits for the disk.
   *
   * - `pool`, the default: Node's file threads. The event loop keeps running, however slow the disk is, and
   *   concurrent requests run in parallel;
   * - `sync`: the event loop, one request after the other, while the rest of the program waits. By far the fastest
   *   for consecutive requests, at less than half the processor time. The event loop gets a turn between two of them
   *   at least every 4 ms;
   * - `adaptive`: small requests as `sync` while the disk responds within 2 ms, all others as `pool`. A disk that
   *   stalls blocks the event loop once;
   * - a custom engine, which makes the calls: for tests.
   */
  readonly engine?: 'pool' | 'sync' | 'adaptive' | Engine
  /**
   * Refuse to open what another program has opened exclusively; default false. A raw device is also refused while a
   * file system on it is mounted. A file is refused on this machine only.
   */
  readonly exclusive?: boolean
  /**
   * The guarantee of a claim. `required`, the default: a role is refused (`BLOCK_UNSUPPORTED`) if another
   * program on this machine could take it too, because there is neither a lock nor a way to check all names of the
   * role. `best-effort`: it is taken anyway.
   */
  readonly claims?: 'required' | 'best-effort'
  /**
   * `own`: refuse a path with a symbolic link that belongs neither to this user nor to root, because a link's owner
   * chooses which file is opened. Use it for files to overwrite in folders that others can write to. Default `all`.
   */
  readonly followLinks?: 'all' | 'own'
}

/** Options of creating a file. */
export interface CreateFileOptions extends FileBlockDeviceOptions, FillOptions {
  /** Bytes in the file: a whole number of sectors. */
  readonly sizeBytes: number
  /**
   * Reserve no space: the file is one hole, and a write to it may run into a full disk. For copies, which are filled
   * at once. Default false. `openOrCreate` fills an empty file that it finds anyway.
   */
  readonly sparse?: boolean
  /**
   * The permissions of the file, as of `chmod`: 0o600 to 0o666, less the umask. Default 0o600: this user alone. An
   * existing file keeps its own.
   */
  readonly fileMode?: number
}

/** Only this user: items are private, and a program with write access can damage the ring. */
export const PRIVATE = 0o600
const FOR_ALL = 0o666

const KINDS: OptionKinds<FileBlockDeviceOptions> = {
  sectorSize: 'number',
  mode: { oneOf: ['auto', 'read-write', 'read-only'] },
  direct: { oneOf: [true, false, 'auto'] },
  durability: { oneOf: ['auto', 'dsync', 'flush', 'none'] },
  engine: [{ oneOf: ['pool', 'sync', 'adaptive'] }, 'object'],
  exclusive: 'boolean',
  claims: { oneOf: ['required', 'best-effort'] },
  followLinks: { oneOf: ['all', 'own'] },
}

const CREATE_KINDS: OptionKinds<CreateFileOptions> = {
  ...KINDS,
  sizeBytes: 'number',
  sparse: 'boolean',
  fileMode: 'number',
  onProgress: 'function',
  signal: 'signal',
}

/** @throws {TypeError | RangeError} an option is out of range; {@link BlockError} not on this platform */
export function checkFileOptions(call: string, options: FileBlockDeviceOptions): void {
  checkOptions(call, options, KINDS)
  checkValues(options)
}

/** @throws as `checkFileOptions` */
export function checkCreateFileOptions(call: string, options: CreateFileOptions): void {
  checkOptions(call, options, CREATE_KINDS)
  checkValues(options)
}

function checkValues({ sectorSize, direct, durability }: FileBlockDeviceOptions): void {
  if (sectorSize !== undefined) checkSectorSize(sectorSize)
  if (direct === true && constants.O_DIRECT === undefined) throw missing('direct: true')
  if (durability === 'dsync' && constants.O_DSYNC === undefined) throw missing("durability 'dsync'")
}

function missing(what: string): BlockError<'BLOCK_UNSUPPORTED'> {
  const message = `${process.platform} has no ${what}; use 'auto'`
  return new BlockError('BLOCK_UNSUPPORTED', message, { device: 'file' })
}

/** @throws {RangeError} the size is not a whole number of sectors */
export function checkNewSize({ sizeBytes, sectorSize = 512 }: CreateFileOptions): number {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % sectorSize === 0)
    return sizeBytes
  throw new RangeError(
    `sizeBytes must be a positive whole number of ${sectorSize}-byte sectors, not ${sizeBytes}`,
  )
}

/** @throws {RangeError} no file is made with these permissions */
export function checkFileMode({ fileMode = PRIVATE }: Pick<CreateFileOptions, 'fileMode'>): number {
  if ((fileMode & PRIVATE) === PRIVATE && (fileMode | FOR_ALL) === FOR_ALL) return fileMode
  throw new RangeError(`fileMode is from 0o600 to 0o666, without execution, not ${octal(fileMode)}`)
}

function octal(mode: number): string {
  return `0o${mode.toString(8)}`
}

/** @throws {RangeError} a raw device has no such sectors */
export function chooseSectorSize(
  path: string,
  sectorSize: number | undefined,
  raw: RawDevice | undefined,
): number {
  if (raw === undefined) return sectorSize ?? 512
  const { logicalBlockSize } = raw
  if (sectorSize === undefined) return logicalBlockSize
  if (sectorSize % logicalBlockSize !== 0) {
    throw new RangeError(
      `the sectors of ${path} must be a multiple of its logical blocks of ${logicalBlockSize} ` +
        `bytes, not ${sectorSize}`,
    )
  }
  return sectorSize
}
