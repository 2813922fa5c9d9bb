import type { BlockDevice, BlockInfo } from '../block/device.ts'
import { readRange } from '../block/read-range.ts'
import type { Clock } from '../clock.ts'
import { isRingError } from '../errors.ts'
import { hasMagic } from '../ring/format1/magic.ts'
import { formatUuid, isBad } from '../ring/format2/disk/block.ts'
import {
  DIRECTORY_COPIES,
  DIRECTORY_STEP,
  type Directory,
  encodeDirectory,
  POOL_START,
} from '../ring/format2/disk/directory.ts'
import {
  isSoundDirectory,
  readDirectoryCopies,
  readDirectoryStart,
  type SoundDirectory,
} from '../ring/format2/disk/directory-copies.ts'
import { encodeGuard, GUARD_BYTES, hasGuard, isGuarded } from '../ring/format2/disk/guard.ts'
import { type DeviceContent, describeContent, readContent } from '../ring/report/signatures.ts'
import { holdsPool } from '../ring/shared/detect.ts'
import {
  contradictory,
  damagedPool,
  noPool,
  otherPool,
  shrunkPool,
  unguardedPool,
  unstablePool,
  unsupportedPool,
} from './errors.ts'

/** A copy may be half written when it is read, and copies differ while a change is written. */
const READS = 20
const PAUSE_MS = 5
/** The part that is equal in both copies begins here, after the offset and the checksum. */
const COMMON_AT = 24

/** A directory whose copies are equal, and their first bytes: while these are unchanged, the directory is. */
interface Seen {
  readonly starts: readonly Uint8Array[]
  readonly directory: Directory
}

/**
 * The directory of a pool on a device: two copies, of which a change writes the first and then the second, each
 * durably. So at any time one of them is sound, and the newer one counts.
 */
export class PoolDirectory {
  readonly device: BlockDevice
  readonly uuid: Uint8Array
  readonly #clock: Clock
  #seen: Seen | undefined

  private constructor(device: BlockDevice, uuid: Uint8Array, clock: Clock) {
    this.device = device
    this.uuid = uuid
    this.#clock = clock
  }

  /**
   * @throws {RingError} `RING_NOT_INITIALISED` if there is no pool; `RING_CORRUPT`, `RING_UNSUPPORTED`,
   *   `RING_UNSTABLE`; `RING_DEVICE_TOO_SMALL` if the device has shrunk
   */
  static async open(device: BlockDevice, clock: Clock): Promise<PoolDirectory> {
    if (!(await holdsPool(device))) {
      throw noPool(device.name, describeOther(await readContent(device)))
    }
    const { bytes: start } = await readRange(device, 0, GUARD_BYTES)
    if (!isGuarded(start)) throw unguardedPool(device.name)
    const { directory } = await readDirectory(device, clock)
    return new PoolDirectory(device, directory.uuid, clock)
  }

  /**
   * Reads the directory: a change counts once nothing can undo it, a power cut included.
   * @throws {RingError} as `open`; `RING_CORRUPT` also if the device holds another pool now
   */
  async read(): Promise<Directory> {
    const info = await this.device.getInfo()
    const seen = this.#seen
    if (seen !== undefined) {
      const starts = await Promise.all(
        DIRECTORY_COPIES.map((offset) => readDirectoryStart(this.device, info, offset)),
      )
      const unchanged = starts.every((start, at) => isSame(start, seen.starts[at], 0))
      if (unchanged) return fitting(this.device, info, seen.directory)
    }
    const { directory, starts } = await readDirectory(this.device, this.#clock)
    this.#check(directory)
    this.#seen = starts && { starts, directory }
    return directory
  }

  /**
   * Reads the directory for a change, which excludes other changes: completes an interrupted change, and repairs a
   * damaged copy.
   * @param device the device to write through
   */
  async finishChange(device: BlockDevice): Promise<Directory> {
    // The second copy may be only in a cache, and the first one is written next.
    await device.flush()
    const info = await device.getInfo()
    const { bytes: start } = await readRange(device, 0, GUARD_BYTES, info)
    if (!hasGuard(start.subarray(0, GUARD_BYTES), 'pool')) await writeGuard(device, info)
    const { newest, starts } = await readCopies(device, info)
    this.#check(newest.directory)
    if (starts === undefined) {
      const other = DIRECTORY_COPIES.find((offset) => offset !== newest.offset)
      if (other !== undefined) await writeCopy(device, info, newest.directory, other)
    }
    return fitting(device, info, newest.directory)
  }

  /** Writes a changed directory. If that fails, it is unknown whether the change happened. */
  async commit(device: BlockDevice, directory: Directory): Promise<void> {
    await writeDirectory(device, directory)
  }

  #check({ uuid }: Directory): void {
    const [expected, found] = [formatUuid(this.uuid), formatUuid(uuid)]
    if (found !== expected) throw otherPool(this.device.name, expected, found)
  }
}

/** Writes both copies; the change takes effect with the first one. */
export async function writeDirectory(device: BlockDevice, directory: Directory): Promise<void> {
  const info = await device.getInfo()
  for (const offset of DIRECTORY_COPIES) await writeCopy(device, info, directory, offset)
}

async function writeCopy(
  device: BlockDevice,
  { sectorSize }: BlockInfo,
  directory: Directory,
  offset: number,
): Promise<void> {
  const block = encodeDirectory(directory, offset)
  const bytes = device.allocate(Math.ceil(block.length / sectorSize) * sectorSize)
  bytes.set(block)
  await device.write(offset / sectorSize, [bytes], { durable: true })
}

/** Writes the guard; its first sector, which names it, last. */
export async function writeGuard(device: BlockDevice, { sectorSize }: BlockInfo): Promise<void> {
  const bytes = device.allocate(Math.ceil(GUARD_BYTES / sectorSize) * sectorSize)
  bytes.set(encodeGuard('pool'))
  if (bytes.length > sectorSize) {
    await device.write(1, [bytes.subarray(sectorSize)], { durable: true })
  }
  await device.write(0, [bytes.subarray(0, sectorSize)], { durable: true })
}

/** @returns the directory; and if both copies are equal, their first bytes */
async function readDirectory(
  device: BlockDevice,
  clock: Clock,
): Promise<{ readonly directory: Directory; readonly starts?: readonly Uint8Array[] }> {
  let before: SoundDirectory | undefined
  for (let reads = 1; ; reads++) {
    const info = await device.getInfo()
    const read = await readCopies(device, info).catch((error: unknown) => {
      if (!isRingError(error) || reads === READS) throw error
    })
    // One copy alone may be only in a cache. It counts once a flush has come between two readings of it.
    const isStable = before !== undefined && isSame(before.bytes, read?.newest.bytes)
    if (read !== undefined && (read.starts !== undefined || isStable)) {
      const directory = fitting(device, info, read.newest.directory)
      return read.starts === undefined ? { directory } : { directory, starts: read.starts }
    }
    if (reads === READS) throw unstablePool(device.name)
    before = read?.newest
    if (read === undefined) await clock.sleep(PAUSE_MS)
    else await device.flush()
  }
}

/** The copies of a directory. */
interface Copies {
  /** The current one. */
  readonly newest: SoundDirectory
  /** Their first bytes, if the copies are equal. */
  readonly starts: readonly Uint8Array[] | undefined
}

async function readCopies(device: BlockDevice, info: BlockInfo): Promise<Copies> {
  const copies = await readDirectoryCopies(device, info)
  if (copies.length < DIRECTORY_COPIES.length) {
    throw shrunkPool(device.name, POOL_START, info.sectorSize * info.sizeSectors)
  }
  for (const { directory, offset } of copies) {
    if ('incompatible' in directory) throw unsupportedPool(device.name, directory)
    if (isBad(directory) && !copies.some(isSoundDirectory)) {
      throw damagedPool(device.name, offset, directory)
    }
  }
  const [one, other] = copies.filter(isSoundDirectory) as [SoundDirectory, SoundDirectory?]
  if (other === undefined) return { newest: one, starts: undefined }
  if (isSame(one.bytes, other.bytes)) {
    const starts = copies.map(({ bytes }) => bytes.subarray(0, DIRECTORY_STEP))
    return { newest: one, starts }
  }
  const [a, b] = [one.directory, other.directory]
  if (a.generation === b.generation || formatUuid(a.uuid) !== formatUuid(b.uuid)) {
    throw contradictory(device.name, other.offset)
  }
  return { newest: a.generation > b.generation ? one : other, starts: undefined }
}

/** @throws {RingError} `RING_DEVICE_TOO_SMALL` */
function fitting(
  device: BlockDevice,
  { sectorSize, sizeSectors }: BlockInfo,
  directory: Directory,
): Directory {
  const bytes = sectorSize * sizeSectors
  if (directory.poolBytes <= bytes) return directory
  throw shrunkPool(device.name, directory.poolBytes, bytes)
}

/** True if two copies have the same content, apart from their offsets. */
function isSame(one: Uint8Array, other: Uint8Array | undefined, from = COMMON_AT): boolean {
  if (one.length !== other?.length) return false
  for (let at = from; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}

/** Names the content of a device that is no pool. */
export function describeOther(content: DeviceContent): string {
  return hasMagic(content.start) ? 'a ring' : describeContent(content)
}
