/**
 * A file of a browser's origin private file system as a block device, in a dedicated worker.
 *
 * @module shared-block-ring/block/opfs
 */
import { BlockError } from '../../errors.ts'
import { checkOptions, type OptionKinds, shown } from '../../util/options.ts'
import { BaseBlockDevice } from '../base.ts'
import type {
  BlockCapabilities,
  BlockClaim,
  BlockHolder,
  BlockInfo,
  BlockWatch,
  ClaimOptions,
} from '../device.ts'
import { type FailedRequest, requestDetails, where } from '../failed-request.ts'
import type { Permit } from '../permit.ts'
import { checkSectorSize } from '../validate.ts'
import { OriginClaims } from './claims.ts'
import { type OpfsPlatform, type OpfsSyncAccess, platformHere } from './platform.ts'

export type {
  OpfsChannel,
  OpfsDirectory,
  OpfsFileEntry,
  OpfsLocks,
  OpfsPlatform,
  OpfsSyncAccess,
} from './platform.ts'

/** Options of opening a file. */
export interface OpfsBlockDeviceOptions {
  /** Bytes in a sector: a power of two from 512 to 65536. Default 512. */
  readonly sectorSize?: number
  /** `read-only` refuses writes. Default `read-write`. */
  readonly mode?: 'read-write' | 'read-only'
  /** The browser's functions. Default: this worker's own. */
  readonly platform?: OpfsPlatform
}

/** Options of creating a file. */
export interface CreateOpfsOptions extends OpfsBlockDeviceOptions {
  /** Its size: a whole number of sectors. */
  readonly sizeBytes: number
}

const KINDS: OptionKinds<OpfsBlockDeviceOptions> = {
  sectorSize: 'number',
  mode: { oneOf: ['read-write', 'read-only'] },
  platform: 'object',
}
const CREATE_KINDS: OptionKinds<CreateOpfsOptions> = { ...KINDS, sizeBytes: 'number' }

const SECTOR_BYTES = 512

/** A new file is written to its full size in pieces of this many bytes. */
const FILL_BYTES = 1 << 20

/**
 * A file of the origin private file system. Works in a dedicated worker of a secure context, because only there a
 * browser reads and writes such a file directly. See docs/browser.md for what `flush` promises there.
 *
 * Several handles may be open, in tabs and workers of the origin, if the browser has the mode `readwrite-unsafe`; roles
 * are claimed by Web Locks. In others a file has one handle at a time, and opening a second one throws `BLOCK_CLAIMED`.
 *
 * @example
 * ```ts
 * import { RingWriter } from 'shared-block-ring'
 * import { OpfsBlockDevice } from 'shared-block-ring/block/opfs'
 *
 * const device = await OpfsBlockDevice.openOrCreate('orders.ring', { sizeBytes: 1 << 20 })
 * const writer = await RingWriter.open(device, { createIfMissing: true })
 * ```
 */
export class OpfsBlockDevice extends BaseBlockDevice {
  override readonly name: string
  override readonly capabilities: BlockCapabilities = {
    discard: false,
    resize: true,
    seek: false,
    claim: true,
    watch: true,
    singleSectorBuffers: false,
  }
  /** True if no other handle of the file can be open. */
  readonly isOnlyHandle: boolean
  protected override info: BlockInfo
  readonly #file: OpfsSyncAccess
  readonly #claims: OriginClaims
  readonly #watchers = new Set<() => void>()
  #created = false

  private constructor(path: string, file: OpfsSyncAccess, platform: OpfsPlatform, info: BlockInfo) {
    super()
    this.name = path
    this.info = info
    this.isOnlyHandle = file.mode !== 'readwrite-unsafe'
    this.#file = file
    this.#claims = new OriginClaims(path, platform, () => this.#notify())
  }

  /** True if `openOrCreate` made the file, or filled an empty one. */
  get created(): boolean {
    return this.#created
  }

  /**
   * Opens an existing file, such as `orders.ring` or `outbox/orders.ring`.
   * @throws {TypeError | RangeError} an option is out of range
   * @throws {BlockError} `BLOCK_OPEN`: there is no such file, or this is no dedicated worker, or the browser keeps no
   *   files here (private mode in some); `BLOCK_CLAIMED`: it is open elsewhere, and this browser's handles are
   *   exclusive
   */
  static async open(path: string, options: OpfsBlockDeviceOptions = {}): Promise<OpfsBlockDevice> {
    checkOptions('OpfsBlockDevice.open', options, KINDS)
    return await OpfsBlockDevice.#connect(path, options)
  }

  /**
   * Opens a file, or makes one of zeroes. A new file is written to its full size, so that later writes do not meet the
   * quota; a file that has a size keeps it.
   * @throws {BlockError} as `open`; `BLOCK_IO` if there is no room for it: then the file is left empty
   */
  static async openOrCreate(path: string, options: CreateOpfsOptions): Promise<OpfsBlockDevice> {
    checkOptions('OpfsBlockDevice.openOrCreate', options, CREATE_KINDS)
    const { sizeBytes, sectorSize = SECTOR_BYTES } = options
    checkSectorSize(sectorSize)
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes % sectorSize !== 0) {
      throw new RangeError(
        `sizeBytes is a positive multiple of ${sectorSize}, the bytes in a sector, not ${sizeBytes}`,
      )
    }
    return await OpfsBlockDevice.#connect(path, options, sizeBytes)
  }

  static async #connect(
    path: string,
    options: OpfsBlockDeviceOptions,
    sizeBytes?: number,
  ): Promise<OpfsBlockDevice> {
    const { sectorSize = SECTOR_BYTES, mode = 'read-write', platform = platformHere() } = options
    checkSectorSize(sectorSize)
    const names = namesIn(path)
    if (platform === undefined) {
      throw notOpened(
        path,
        'no private files, locks or channels here; use a dedicated worker of a secure context',
      )
    }
    const file = await openFile(path, names, platform, sizeBytes !== undefined)
    const info = { readWrite: mode === 'read-write', sectorSize, sizeSectors: 0 }
    const device = new OpfsBlockDevice(names.join('/'), file, platform, info)
    try {
      if (sizeBytes !== undefined) {
        // Of several handles that open a new file at the same time, one fills it.
        const fill = async (): Promise<void> => device.#fill(sizeBytes)
        await platform.locks.request(`${device.name}:fill`, { ifAvailable: false }, fill)
      }
      await device.doGetInfo()
      return device
    } catch (error) {
      await device.disconnect()
      throw error
    }
  }

  protected override async doGetInfo(): Promise<BlockInfo> {
    const bytes = this.#system({ operation: 'getSize' }, (file) => file.getSize())
    const { readWrite, sectorSize } = this.info
    const unusedBytes = bytes % sectorSize
    const sizeSectors = (bytes - unusedBytes) / sectorSize
    this.info = { readWrite, sectorSize, sizeSectors, ...(unusedBytes > 0 && { unusedBytes }) }
    return this.info
  }

  protected override async doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
  ): Promise<void> {
    this.#eachBuffer('read', sectorStart, buffers, (file, buffer, at) => file.read(buffer, { at }))
  }

  protected override async doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    this.#eachBuffer('write', sectorStart, buffers, (file, buffer, at) =>
      file.write(buffer, { at }),
    )
    this.#changed()
    if (!durable) return
    permit()
    await this.doFlush()
  }

  protected override async doFlush(): Promise<void> {
    this.#system({ operation: 'flush' }, (file) => file.flush())
  }

  protected override async doResize(sizeSectors: number): Promise<void> {
    const { sectorSize } = this.info
    this.#system({ operation: 'resize' }, (file) => {
      file.truncate(sizeSectors * sectorSize)
      file.flush()
    })
    await this.doGetInfo()
  }

  protected override doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return this.#claims.claim(role, options)
  }

  protected override doAsk(role: string, request: string): Promise<string | undefined> {
    return this.#claims.ask(role, request)
  }

  protected override doHolderOf(role: string): Promise<BlockHolder | undefined> {
    return this.#claims.holderOf(role)
  }

  protected override doWatch(onChange: () => void): BlockWatch {
    this.#watchers.add(onChange)
    return { works: true, close: () => this.#watchers.delete(onChange) }
  }

  protected override async doDisconnect(): Promise<void> {
    this.#claims.close()
    this.#file.close()
  }

  /** Writes an empty file to its full size; it has that size from the start, so a crash leaves no shorter one. */
  #fill(sizeBytes: number): void {
    this.#system({ operation: 'fill' }, (file) => {
      if (file.getSize() > 0) return
      this.#created = true
      try {
        file.truncate(sizeBytes)
        const zeroes = new Uint8Array(Math.min(FILL_BYTES, sizeBytes))
        for (let at = 0; at < sizeBytes; ) {
          at += wrote(
            file.write(zeroes.subarray(0, Math.min(zeroes.length, sizeBytes - at)), { at }),
          )
        }
        file.flush()
      } catch (error) {
        file.truncate(0)
        throw error
      }
    })
  }

  #eachBuffer(
    operation: 'read' | 'write',
    sector: number,
    buffers: readonly Uint8Array[],
    transfer: (file: OpfsSyncAccess, buffer: Uint8Array, at: number) => number,
  ): void {
    const { sectorSize } = this.info
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    this.#system({ operation, sector, sectors: bytes / sectorSize }, (file) => {
      let at = sector * sectorSize
      for (const buffer of buffers) {
        for (let done = 0; done < buffer.length; ) {
          const moved = wrote(transfer(file, buffer.subarray(done), at))
          done += moved
          at += moved
        }
      }
    })
  }

  /** Makes a call of the browser's, and throws its failure as an error of a device. */
  #system<T>(request: Omit<FailedRequest, 'device'>, call: (file: OpfsSyncAccess) => T): T {
    try {
      return call(this.#file)
    } catch (error) {
      const failed = { device: this.name, ...request }
      const details = requestDetails(failed)
      const message = `${request.operation} of ${where(failed)} failed: ${reasonOf(error)}`
      throw new BlockError('BLOCK_IO', message, details, { cause: error })
    }
  }

  #changed(): void {
    this.#claims.changed()
    queueMicrotask(() => this.#notify())
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher()
  }
}

/** The names in a path: folders, and the file. */
function namesIn(path: string): readonly string[] {
  const names = typeof path === 'string' ? path.split('/') : []
  if (names.length > 0 && !names.some((name) => name === '' || name === '.' || name === '..')) {
    return names
  }
  throw new RangeError(
    `expected a path in the private files of the origin, such as outbox/orders.ring, not ${shown(path)}`,
  )
}

async function openFile(
  path: string,
  names: readonly string[],
  platform: OpfsPlatform,
  create: boolean,
): Promise<OpfsSyncAccess> {
  try {
    let folder = await platform.root()
    for (const name of names.slice(0, -1))
      folder = await folder.getDirectoryHandle(name, { create })
    const entry = await folder.getFileHandle(names.at(-1) ?? '', { create })
    if (entry.createSyncAccessHandle === undefined) {
      throw notOpened(path, 'files are open for reading and writing in dedicated workers only')
    }
    return await entry.createSyncAccessHandle({ mode: 'readwrite-unsafe' })
  } catch (error) {
    if (error instanceof BlockError) throw error
    if (nameOf(error) === 'NoModificationAllowedError') {
      const holder = 'another tab or worker of this origin'
      throw new BlockError(
        'BLOCK_CLAIMED',
        `${path} is open in ${holder}, and this browser has files open once; close it there, or wait until it ends`,
        { device: path, holder },
        { cause: error },
      )
    }
    throw notOpened(path, reasonOf(error), error)
  }
}

function notOpened(path: string, reason: string, cause?: unknown): BlockError<'BLOCK_OPEN'> {
  const message = `${path} cannot be opened: ${reason}`
  return new BlockError('BLOCK_OPEN', message, { device: path }, { cause })
}

/** A browser may write less than requested, but not nothing. */
function wrote(bytes: number): number {
  if (bytes > 0) return bytes
  throw new RangeError('the file has ended, or takes no more')
}

function nameOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : ''
}

/** The meaning of a `DOMException` here. */
function reasonOf(error: unknown): string {
  const meanings: Readonly<Record<string, string>> = {
    NotFoundError: 'there is no such file',
    QuotaExceededError: 'the quota of this origin is used up',
    SecurityError: 'the browser keeps no files here (a private window, or blocked site data)',
    TypeMismatchError:
      'there is a folder where a file should be, or a file where a folder should be',
    InvalidStateError: 'the file was removed, or the site data cleared',
  }
  const meaning = meanings[nameOf(error)]
  const message = error instanceof Error ? error.message : String(error)
  return meaning === undefined ? message : `${meaning} (${message})`
}
