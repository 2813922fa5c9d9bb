/**
 * Regular files and raw block devices as block devices.
 *
 * @module shared-block-ring/block/file
 */
import { fstatSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { BlockError, isBlockError } from '../../errors.ts'
import { BaseBlockDevice } from '../base.ts'
import { acquireClaim, askHolder, type ClaimTarget, findHolder } from '../claim/claim.ts'
import { claimCreator } from '../creator-claim.ts'
import type {
  AskOptions,
  BlockCapabilities,
  BlockClaim,
  BlockHolder,
  BlockInfo,
  BlockWatch,
  ClaimOptions,
} from '../device.ts'
import type { FailedRequest } from '../failed-request.ts'
import { loadNative, type Native } from '../native/calls.ts'
import { closeAll } from '../native/close.ts'
import { ioError, isSystemError, shortError, systemCode } from '../native/errors.ts'
import { ALWAYS, type Permit } from '../permit.ts'
import { unsupportedError, wholeSectors } from '../validate.ts'
import { createFile } from './create.ts'
import type { Engine } from './engine/engine.ts'
import { hasTime } from './engine/event-loop-slice.ts'
import { makeEngine } from './engine/make.ts'
import { FileSize } from './file-size.ts'
import { lackOfSpace } from './free-space.ts'
import { allocateAligned } from './io/aligned.ts'
import { Channel } from './io/channel.ts'
import { findMapped, findUnmapped, punch } from './io/extents.ts'
import type { FillOptions } from './io/fill.ts'
import { Flusher } from './io/flusher.ts'
import { findReadNow, type ReadNow } from './io/read-now.ts'
import { lengthOf } from './io/transfer.ts'
import { type OpenFile, openFile } from './open.ts'
import {
  type CreateFileOptions,
  checkCreateFileOptions,
  checkFileMode,
  checkFileOptions,
  checkNewSize,
  type FileBlockDeviceOptions,
} from './options.ts'
import { PathWatch } from './path-watch.ts'
import { resizeFile } from './resize.ts'
import { keysBelow } from './storage.ts'
import { readRawDevice } from './sysfs.ts'
import { FileWatches } from './watch.ts'

export type { FileBlockErrorCode } from '../native/errors.ts'
export type { Engine, VectoredCall } from './engine/engine.ts'
export type { FillOptions } from './io/fill.ts'
export type { CreateFileOptions, FileBlockDeviceOptions } from './options.ts'
export type { WatchEvent } from './watch.ts'

/** The most bytes read synchronously: copying more takes as long as another thread. */
const MAX_READ_NOW_BYTES = 1 << 16

/** From this size on, `malloc` takes separate pages at first; later it does not. */
const OWN_PAGES_BYTES = 1 << 17

/**
 * A regular file, or a raw block device on Linux, as a block device. If its length is not a whole number of sectors,
 * the rest at the end is not used.
 *
 * `seekMapped`, `seekUnmapped`, `discard`, and claims that exclude other containers need 64-bit Linux and the
 * optional package `koffi`. Its errors have the codes of {@link FileBlockErrorCode}.
 *
 * @example
 * ```ts
 * import { FileBlockDevice } from 'shared-block-ring/block/file'
 *
 * await using device = await FileBlockDevice.openOrCreate('example.ring', { sizeBytes: 1 << 20 })
 * console.log((await device.getInfo()).sizeSectors) // 2048
 * ```
 */
export class FileBlockDevice extends BaseBlockDevice {
  override readonly name: string
  override readonly capabilities: BlockCapabilities
  /** True if it goes past the page cache. */
  readonly direct: boolean
  /** The way in which durable writes reach stable storage. */
  readonly durability: 'dsync' | 'flush' | 'none'
  protected override info: BlockInfo
  readonly #opened: OpenFile
  readonly #pathWatch: PathWatch | undefined
  readonly #watchers = new Set<() => void>()
  #changes: FileWatches | undefined
  #replaced: BlockError<'BLOCK_REPLACED'> | undefined
  readonly #native: Native | undefined
  readonly #size: FileSize | undefined
  readonly #channel: Channel
  readonly #readNow: ReadNow | undefined
  readonly #flusher: Flusher
  readonly #bestEffort: boolean
  #created = false
  readonly #keysBelow: readonly string[]
  #resizing: Promise<void> = Promise.resolve()

  private constructor(
    path: string,
    file: OpenFile,
    engine: Engine,
    native: Native | undefined,
    claims: FileBlockDeviceOptions['claims'],
    readNow: ReadNow | undefined,
    below: readonly string[],
  ) {
    super()
    this.#keysBelow = below
    this.#bestEffort = claims === 'best-effort'
    const { fd, raw, writable, sectorSize } = file
    this.name = path
    this.direct = file.direct
    this.durability = file.durability
    this.info = { readWrite: writable, sectorSize, sizeSectors: 0 }
    this.#opened = file
    this.#native = native
    this.#pathWatch =
      raw === undefined ? new PathWatch(path, file, (error) => this.#endAll(error)) : undefined
    this.#size = raw === undefined ? new FileSize(file.cachedFd) : undefined
    this.#channel = new Channel(engine, sectorSize, file.direct)
    this.#readNow = readNow
    this.#flusher = new Flusher((permit) =>
      this.#system({ device: path, operation: 'flush' }, async () => engine.flush(fd, permit)),
    )
    this.capabilities = {
      discard: native !== undefined && writable && (raw === undefined || raw.zeroes),
      resize: raw === undefined,
      seek: native !== undefined && raw === undefined,
      claim: true,
      watch: raw === undefined,
      singleSectorBuffers: false,
    }
  }

  /**
   * Opens an existing file or raw block device. Once a second (every five seconds, to read only) it checks that a file
   * is still the one at its path; after a removal or replacement every request and every wait throws `BLOCK_REPLACED`.
   * Raw devices are not checked: their names come and go while the disk stays the same.
   * @throws {TypeError | RangeError} an option is out of range
   * @throws {BlockError} `BLOCK_OPEN`, `BLOCK_READ_ONLY`, `BLOCK_CLAIMED`, `BLOCK_UNSUPPORTED`
   */
  static async open(path: string, options: FileBlockDeviceOptions = {}): Promise<FileBlockDevice> {
    checkFileOptions('FileBlockDevice.open', options)
    return FileBlockDevice.#open(path, options)
  }

  static async #open(path: string, options: FileBlockDeviceOptions): Promise<FileBlockDevice> {
    const file = await openFile(path, options)
    const engine = makeEngine(options.engine ?? 'pool')
    const below = file.raw === undefined ? [] : await keysBelow(file.raw.id)
    const native = await loadNative()
    // A custom engine makes all calls.
    const isCached = file.raw === undefined && !file.direct && typeof options.engine !== 'object'
    const readNow = isCached ? await findReadNow(file.fd, path, native) : undefined
    const device = new FileBlockDevice(path, file, engine, native, options.claims, readNow, below)
    try {
      await device.doGetInfo()
      if (options.exclusive === true && file.raw === undefined) {
        await device.claim('device', { holder: 'a program that opened it exclusively' })
      }
      return device
    } catch (error) {
      await device.disconnect()
      throw error
    }
  }

  /**
   * Makes a file of zeroes and opens it. The file is written to its full size, so that later writes never run out of
   * space (unless `sparse`), and appears at the path only once it is complete and on stable storage. On a file system
   * without hard links, a crash at the last moment may leave an empty file, which `openOrCreate` fills.
   * @throws {TypeError | RangeError} an option is out of range
   * @throws {BlockError} `BLOCK_EXISTS`: the path exists, and was not changed; or as `open`
   * @throws the reason of `signal`
   */
  static async create(path: string, options: CreateFileOptions): Promise<FileBlockDevice> {
    checkCreateFileOptions('FileBlockDevice.create', options)
    const sizeBytes = checkNewSize(options)
    await createFile(path, sizeBytes, options.sectorSize ?? 512, {
      ...options,
      native: await loadNative(),
    })
    const device = await FileBlockDevice.#open(path, options)
    device.#created = true
    return device
  }

  /**
   * Opens the file, or creates it if it is missing. An existing file keeps its size, unless it is empty: then it is
   * filled in place, and a crash may leave it shorter. Several programs can call this at the same time; `created` tells
   * which one made it.
   * @throws as `create` and `open`; `BLOCK_CLAIMED` if another program fills it for longer than ten seconds
   */
  static async openOrCreate(path: string, options: CreateFileOptions): Promise<FileBlockDevice> {
    checkCreateFileOptions('FileBlockDevice.openOrCreate', options)
    checkFileMode(options)
    const device = await FileBlockDevice.#openOrMake(path, options)
    try {
      if (!device.#isEmpty() || (await device.#fill(options))) return device
    } catch (error) {
      await device.disconnect()
      throw error
    }
    await device.disconnect()
    return FileBlockDevice.#open(path, options)
  }

  static async #openOrMake(path: string, options: CreateFileOptions): Promise<FileBlockDevice> {
    try {
      return await FileBlockDevice.#open(path, options)
    } catch (error) {
      if (!(isBlockError(error) && systemCode(error.cause) === 'ENOENT')) throw error
    }
    try {
      return await FileBlockDevice.create(path, options)
    } catch (error) {
      // Another process was faster.
      if (!(isBlockError(error) && error.code === 'BLOCK_EXISTS')) throw error
      return FileBlockDevice.#open(path, options)
    }
  }

  /** True if `create` or `openOrCreate` made the file, or filled an empty one. */
  get created(): boolean {
    return this.#created
  }

  /** The open file, for every request; fails once the file was replaced. */
  get #file(): OpenFile {
    if (this.#replaced !== undefined) throw this.#replaced
    return this.#opened
  }

  #endAll(error: BlockError<'BLOCK_REPLACED'>): void {
    this.#replaced = error
    // Woken watchers refresh, and get the error.
    for (const watcher of this.#watchers) watcher()
  }

  #isEmpty(): boolean {
    const { fd, raw, writable } = this.#file
    return raw === undefined && writable && fstatSync(fd).size === 0
  }

  /**
   * Fills an empty file; if another program is filling it, waits for that.
   * @returns false if the path leads to another file by now
   */
  async #fill(options: CreateFileOptions): Promise<boolean> {
    const sizeBytes = checkNewSize(options)
    const claim = await claimCreator(this)
    try {
      const { ino, dev } = fstatSync(this.#file.fd)
      const now = await stat(this.name)
      if (now.ino !== ino || now.dev !== dev) return false
      if (this.#isEmpty()) {
        await this.#resize(sizeBytes / this.#file.sectorSize, options)
        this.#created = true
      }
      await this.doGetInfo()
      return true
    } finally {
      await claim.release()
    }
  }

  protected override async doGetInfo(): Promise<BlockInfo> {
    const { fd, raw, writable, sectorSize } = this.#file
    const request = { device: this.name, operation: 'ask for the size of' }
    const now = await this.#system(request, async () =>
      raw === undefined
        ? { sizeBytes: fstatSync(fd).size, readOnly: false }
        : await readRawDevice(raw.id),
    )
    const readWrite = writable && !now.readOnly
    this.info = { readWrite, ...wholeSectors(now.sizeBytes, sectorSize) }
    return this.info
  }

  protected override async doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    permit: Permit,
  ): Promise<void> {
    const { fd, sectorSize } = this.#file
    const bytes = lengthOf(buffers)
    if (this.#readsNow(sectorStart, buffers, bytes)) return
    const request = this.#requestAt('read', sectorStart, bytes / sectorSize)
    const position = sectorStart * sectorSize
    let read: number
    try {
      read = await this.#channel.read(fd, buffers, position, permit)
    } catch (cause) {
      throw reported(request, cause, this.direct)
    }
    if (read < bytes) throw shortError(request, 'some buffers may have been filled')
  }

  /** Small reads of what the system has in memory: through another thread they take four times as long. */
  #readsNow(sector: number, buffers: readonly Uint8Array[], bytes: number): boolean {
    const [buffer] = buffers
    if (this.#readNow === undefined || buffer?.byteLength !== bytes) return false
    return bytes <= MAX_READ_NOW_BYTES && hasTime() && this.doReadNow(sector, buffer)
  }

  protected override doReadNow(sectorStart: number, buffer: Uint8Array): boolean {
    if (this.#readNow === undefined || this.#replaced !== undefined) return false
    return this.#readNow(buffer, sectorStart * this.info.sectorSize)
  }

  protected override async doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    const { fd, dsyncFd, sectorSize, durability } = this.#file
    const bytes = lengthOf(buffers)
    const request = this.#requestAt('write', sectorStart, bytes / sectorSize)
    const position = sectorStart * sectorSize
    // Through O_DSYNC every call waits for the disk, so several calls are cheaper with one flush.
    const dsync = durable && this.#channel.isOneCall(buffers, bytes) ? dsyncFd : undefined
    let written: number
    try {
      // Beyond the end of a file that has shrunk, it would make a hole, whose zeroes read as data.
      if (this.#size?.reaches(position + bytes) === false) {
        throw shortError(request, 'nothing was written')
      }
      written = await this.#channel.write(dsync ?? fd, buffers, position, permit)
    } catch (cause) {
      throw reported(request, cause, this.direct)
    }
    if (written < bytes) throw shortError(request, 'some of it may have been written')
    if (durable && dsync === undefined && durability !== 'none') {
      await this.#flusher.flush(permit)
    }
  }

  protected override async doFlush(permit: Permit): Promise<void> {
    const { durability } = this.#file
    if (durability !== 'none') await this.#flusher.flush(permit)
  }

  protected override async doDiscard(
    sectorStart: number,
    sectors: number,
    permit: Permit,
  ): Promise<void> {
    const native = this.#native
    if (native === undefined) throw unsupportedError(this.name, 'discard')
    const { fd, sectorSize } = this.#file
    await this.#system(this.#requestAt('discard', sectorStart, sectors), async () => {
      try {
        await punch(native, fd, sectorStart * sectorSize, sectors * sectorSize, permit)
      } catch (cause) {
        // Some file systems have no holes, which only shows when one is asked for.
        throw systemCode(cause) === 'EOPNOTSUPP' ? unsupportedError(this.name, 'discard') : cause
      }
    })
  }

  protected override doResize(sizeSectors: number): Promise<void> {
    const resized = this.#resizing.then(() => this.#resize(sizeSectors))
    this.#resizing = resized.catch(() => undefined)
    return resized
  }

  async #resize(sizeSectors: number, fill: FillOptions = {}): Promise<void> {
    const { fd, sectorSize } = this.#file
    const sizeBytes = sizeSectors * sectorSize
    if (!Number.isSafeInteger(sizeBytes)) {
      throw new RangeError(`no file has ${sizeSectors} sectors of ${sectorSize} bytes`)
    }
    const before = await this.doGetInfo()
    const more = sizeBytes - before.sizeSectors * sectorSize
    const lack = more > 0 ? await lackOfSpace(this.name, more) : undefined
    if (lack !== undefined) {
      const message = `could not resize ${this.name}: ${lack.message}`
      throw new BlockError('BLOCK_IO', message, { device: this.name }, lack)
    }
    await this.#system({ device: this.name, operation: 'resize' }, () =>
      resizeFile(fd, before.sizeSectors * sectorSize, sizeBytes, sectorSize, fill),
    )
    await this.doFlush(ALWAYS)
    await this.doGetInfo()
  }

  protected override async doSeekMapped(sectorStart: number): Promise<number> {
    return this.#seek('seekMapped', findMapped, sectorStart)
  }

  protected override async doSeekUnmapped(sectorStart: number): Promise<number> {
    return this.#seek('seekUnmapped', findUnmapped, sectorStart)
  }

  async #seek(operation: string, find: typeof findMapped, sector: number): Promise<number> {
    const native = this.#native
    if (native === undefined) throw unsupportedError(this.name, operation)
    const { fd, sectorSize } = this.#file
    const { sizeSectors } = this.info
    const request = { device: this.name, operation: `${operation} in` }
    const found = await this.#system(request, async () => find(native, fd, sectorSize, sector))
    return Math.min(found ?? sizeSectors, sizeSectors)
  }

  /**
   * Memory for direct I/O; otherwise plain memory, unless it is large: then it has pages of its own, which go back to
   * the system when it is no longer used, instead of fragmenting the heap.
   */
  override allocate(bytes: number): Uint8Array {
    return this.direct || bytes >= OWN_PAGES_BYTES ? allocateAligned(bytes) : super.allocate(bytes)
  }

  protected override doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return acquireClaim(this.#claimTarget(), role, options)
  }

  protected override doAsk(
    role: string,
    request: string,
    options: AskOptions,
  ): Promise<string | undefined> {
    return askHolder(this.#claimTarget(), role, request, options)
  }

  protected override doHolderOf(
    role: string,
    options: AskOptions,
  ): Promise<BlockHolder | undefined> {
    return findHolder(this.#claimTarget(), role, options)
  }

  #claimTarget(): ClaimTarget {
    const { fd, key, raw, writable } = this.#file
    const file = { fd, raw: raw !== undefined, writable, native: this.#native }
    const aliases = this.#keysBelow
    return { device: this.name, identity: key, aliases, file, bestEffort: this.#bestEffort }
  }

  protected override doWatch(onChange: () => void): BlockWatch {
    this.#changes ??= new FileWatches(this.name)
    const inner = this.#changes.add(onChange)
    const watcher = (): void => onChange()
    this.#watchers.add(watcher)
    return {
      get works() {
        return inner.works
      },
      close: () => {
        this.#watchers.delete(watcher)
        inner.close()
      },
    }
  }

  protected override async doDisconnect(): Promise<void> {
    this.#pathWatch?.close()
    await closeAll(this.#opened.descriptors)
  }

  #requestAt(operation: string, sector: number, sectors: number): FailedRequest {
    return { device: this.name, operation, sector, sectors }
  }

  async #system<T>(request: FailedRequest, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation()
    } catch (cause) {
      throw reported(request, cause, this.direct)
    }
  }
}

/** Reports system errors of a request as `BLOCK_IO`; errors of the caller's signal or callback pass unchanged. */
function reported(request: FailedRequest, cause: unknown, direct: boolean): unknown {
  return isSystemError(cause) ? ioError(request, cause, direct) : cause
}
