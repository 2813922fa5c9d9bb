import type { BlockDevice } from '../../block/device.ts'
import { FileBlockDevice } from '../../block/file/index.ts'
import { overlaps, type Storage, storageAt } from '../../block/file/storage.ts'
import { claimTarget } from '../../block/nbd/claim.ts'
import { isNbdUri, parseNbdUri } from '../../block/nbd/uri.ts'
import { appearsAt } from '../../block/ops/appears-at.ts'
import { areaOf } from '../../block/ops/byte-range.ts'
import { isBlockError } from '../../errors.ts'
import { usageError } from '../errors.ts'
import { type OpenedDevice, openWhole } from './device.ts'
import { type RingPath, ringPathOf } from './ring-path.ts'
import { claimRoles } from './take-roles.ts'

/** Sector sizes for direct reads, of which the disk supports at least one. */
const DIRECT_SECTORS = [512, 4096]

/**
 * True if two existing paths or URIs are names of one storage, or of overlapping parts, as far as that is known
 * without writing. Two URIs, or a path and a URI, may need more: see {@link checkApart}.
 */
export async function isSameStorage(first: string, second: string): Promise<boolean> {
  const [a, b] = await Promise.all([storageOf(first), storageOf(second)])
  return overlaps(a, b)
}

async function storageOf(path: string): Promise<Storage> {
  const at = await ringPathOf(path)
  if (at !== undefined) return ringStorage(at)
  if (!isNbdUri(path)) return storageAt(path)
  const { identity: key } = await claimTarget(parseNbdUri(path))
  return { key, start: 0, end: Number.POSITIVE_INFINITY }
}

/** A ring's part of a pool's storage; none if the pool has no such ring: opening it reports that. */
async function ringStorage({ device, ring }: RingPath): Promise<Storage> {
  const below = await storageOf(device)
  const { Pool } = await import('../../pool/index.ts')
  const whole = await openWhole(device, 'read-only', {})
  try {
    const found = (await (await Pool.open(whole)).status()).rings.find(({ name }) => name === ring)
    const { offset = 0, sizeBytes = 0 } = found ?? {}
    const start = below.start + offset
    return { ...below, start, end: start + sizeBytes }
  } finally {
    await whole.disconnect()
  }
}

/** @throws {CommandError} both are one storage, according to their names */
export async function checkNotSame(first: string, second: string): Promise<void> {
  if (await isSameStorage(first, second)) throw usageError(`${first} and ${second} are the same`)
}

/**
 * Checks that writes to the target do not appear at the source: two names may be one storage without any sign of it,
 * such as a file and an export of it. Briefly writes to the target's last sector, so the target's content must be
 * expendable, and its roles held (so that no other host has leased one). No program may use the source meanwhile
 * either; if one does, this only reads.
 * @throws {CommandError} both are one storage; nothing was changed
 * @throws {BlockError} `BLOCK_CLAIMED`: a program uses the source, which may be the target
 */
export async function checkApart(source: OpenedDevice, target: OpenedDevice): Promise<void> {
  const area = await areaOf(target)
  const { sectorSize } = area.info
  const offset = area.sizeBytes - sectorSize
  const before = await readFresh(target, offset, sectorSize)
  if (before === undefined) return
  const readSource = () => readFresh(source, offset, sectorSize)
  let isOne: boolean
  try {
    await using _roles = await claimRoles(source, 'a check whether two devices are one')
    isOne = await appearsAt(area, offset, before, readSource)
  } catch (error) {
    const isTaken = isBlockError(error) && error.code === 'BLOCK_CLAIMED'
    if (!isTaken || isEqual(before, await readSource())) throw error
    return
  }
  if (!isOne) return
  throw usageError(
    `${source.name} and ${target.name} are the same: a write to the last sector of one appeared in the other. It ` +
      'was put back',
  )
}

function isEqual(bytes: Uint8Array, others: Uint8Array | undefined): boolean {
  return others !== undefined && Buffer.compare(bytes, others) === 0
}

/** Bytes from the device instead of this machine's page cache, if possible; undefined if it has none there. */
async function readFresh(
  device: OpenedDevice,
  offset: number,
  bytes: number,
): Promise<Uint8Array | undefined> {
  if (device instanceof FileBlockDevice && !device.direct) {
    for (const sectorSize of DIRECT_SECTORS) {
      try {
        const options = { mode: 'read-only', direct: true, sectorSize } as const
        await using fresh = await FileBlockDevice.open(device.name, options)
        const found = await readBytes(fresh, offset, bytes)
        if (found !== undefined) return found
      } catch (error) {
        // The file system has no direct I/O, or not for sectors of this size.
        if (!isBlockError(error)) throw error
      }
    }
  }
  return readBytes(device, offset, bytes)
}

async function readBytes(
  device: BlockDevice,
  offset: number,
  bytes: number,
): Promise<Uint8Array | undefined> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const first = Math.floor(offset / sectorSize)
  const end = Math.ceil((offset + bytes) / sectorSize)
  if (first < 0 || end > sizeSectors) return undefined
  const buffer = device.allocate((end - first) * sectorSize)
  await device.read(first, [buffer])
  const at = offset - first * sectorSize
  return buffer.subarray(at, at + bytes)
}
