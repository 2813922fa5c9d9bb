import type { BlockDevice, BlockInfo } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import { RingError } from '../../../errors.ts'
import { Lazy } from '../../../util/lazy.ts'
import { type BadBlock, formatUuid, isBad } from './block.ts'
import { GUARD_BYTES, isGuarded } from './guard.ts'
import {
  BLOCK_SIZES,
  dataBlocksOf,
  dataOffset,
  firstSuperblock,
  lastSuperblock,
  secondSuperblock,
  superblockOffsets,
} from './layout.ts'
import { parseSuperblock, type Superblock, type UnknownFeatures } from './superblock.ts'

// Finds out which ring a device holds. Superblocks of other rings can lie on it too: of an earlier ring, of one that was copied into
// an item before items were masked, or of one in another partition. So a copy counts only where a ring of its layout keeps one; not
// if it lies in the data area of another ring that counts; and its three copies must not contradict each other.

const signatures = new Lazy(() => import('../../report/signatures.ts'))

/** Where superblocks at the front and at the end are, for every block size. */
const FRONT_BYTES = 256 * 1024
const END_BYTES = 128 * 1024

/** An offset where a superblock may be, and what was found there. */
export interface SuperblockCopy {
  readonly offset: number
  readonly superblock: Superblock | UnknownFeatures | BadBlock
}

/** A superblock with a valid checksum. */
export interface SoundCopy extends SuperblockCopy {
  readonly superblock: Superblock | UnknownFeatures
}

/**
 * The superblock of the ring on a device.
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function identifyRing(device: BlockDevice, info: BlockInfo): Promise<Superblock> {
  const { sectorSize, sizeSectors } = info
  const sound = (await readSuperblocks(device, info)).filter(isSound)
  const [copy] = credible(sound, sectorSize * sizeSectors)
  if (copy === undefined) {
    throw sound.length > 0 ? ambiguous(device.name, sound) : await noSuperblock(device, info)
  }
  if (isUnknown(copy.superblock)) throw unsupported(copy.superblock, device.name)
  const { superblock: ring } = copy
  const others = [...sound, ...(await lastCopy(device, info, ring))].filter(
    ({ offset, superblock }) => namedBy(ring).includes(offset) && !isSameRing(superblock, ring),
  )
  if (others.length > 0) throw ambiguous(device.name, [copy, ...others])
  return ring
}

/**
 * The copies that do not lie in the data area of another ring, those at the front first. A copy of a ring that needs a larger device
 * counts only if there is no other: the device may have shrunk.
 */
export function credible(sound: readonly SoundCopy[], deviceBytes: number): readonly SoundCopy[] {
  const own = sound.filter(({ offset, superblock }) => {
    return isUnknown(superblock) || namedBy(superblock).includes(offset)
  })
  const fitting = own.filter(({ superblock }) => {
    return isUnknown(superblock) || superblock.deviceBytes <= deviceBytes
  })
  const rings = fitting.length > 0 ? fitting : own
  return rings.filter((copy) => !rings.some((other) => isInDataOf(copy, other.superblock)))
}

/** Where a ring keeps its superblocks; nowhere, if its layout is impossible. */
function namedBy({ blockSize, deviceBytes, ...ring }: Superblock): readonly number[] {
  const matchesLayout =
    ring.dataOffset === dataOffset(blockSize) &&
    ring.dataBlocks === dataBlocksOf(blockSize, deviceBytes)
  return matchesLayout ? superblockOffsets(blockSize, deviceBytes) : []
}

function isInDataOf({ offset, superblock }: SoundCopy, ring: SoundCopy['superblock']): boolean {
  if (isUnknown(ring) || isSameRing(superblock, ring)) return false
  const end = ring.dataOffset + ring.dataBlocks * ring.blockSize
  return offset >= ring.dataOffset && offset < end
}

/** The last copy on a device that has grown since: not at its end. */
async function lastCopy(
  device: BlockDevice,
  info: BlockInfo,
  ring: Superblock,
): Promise<readonly SoundCopy[]> {
  const deviceBytes = info.sectorSize * info.sizeSectors
  const offset = lastSuperblock(ring.blockSize, ring.deviceBytes)
  if (offset >= deviceBytes - END_BYTES) return []
  const { bytes } = await readRange(device, offset, ring.blockSize, info)
  const copy = { offset, superblock: parseSuperblock(bytes.subarray(0, ring.blockSize), offset) }
  return isSound(copy) ? [copy] : []
}

/** Whether a superblock's checksum holds. */
export function isSound(copy: SuperblockCopy): copy is SoundCopy {
  return !isBad(copy.superblock)
}

function isUnknown(superblock: SoundCopy['superblock']): superblock is UnknownFeatures {
  return 'incompatible' in superblock
}

/** Whether two copies say the same. */
export function isSameRing(one: SoundCopy['superblock'], other: SoundCopy['superblock']): boolean {
  return describeRing(one) === describeRing(other)
}

/** A superblock as text, for people and for comparing. */
export function describeRing(superblock: SoundCopy['superblock']): string {
  if (isUnknown(superblock)) return `features that are unknown (${featuresOf(superblock)})`
  const { uuid, blockSize, deviceBytes, dataOffset, dataBlocks, overwrites, name } = superblock
  const rest = { blockSize, deviceBytes, dataOffset, dataBlocks, overwrites, name }
  return `${formatUuid(uuid)} ${JSON.stringify(rest)}`
}

/** Reads every offset where a superblock can be, those at the front first. */
export async function readSuperblocks(
  device: BlockDevice,
  info: BlockInfo,
): Promise<readonly SuperblockCopy[]> {
  const deviceBytes = info.sectorSize * info.sizeSectors
  const front = await readRange(device, 0, FRONT_BYTES, info)
  const end = await readRange(device, Math.max(0, deviceBytes - END_BYTES), END_BYTES, info)
  const candidates = [
    ...BLOCK_SIZES.map((size) => ({ size, offset: firstSuperblock(size), range: front })),
    ...BLOCK_SIZES.map((size) => ({ size, offset: secondSuperblock(size), range: front })),
    ...BLOCK_SIZES.map((size) => ({ size, offset: lastSuperblock(size, deviceBytes), range: end })),
  ]
  return candidates.flatMap(({ size, offset, range }) => {
    const at = offset - range.offset
    if (at < 0 || at + size > range.bytes.length) return []
    return [{ offset, superblock: parseSuperblock(range.bytes.subarray(at, at + size), offset) }]
  })
}

async function noSuperblock(device: BlockDevice, info: BlockInfo): Promise<RingError> {
  if (!isGuarded((await readRange(device, 0, GUARD_BYTES, info)).bytes)) {
    const { notInitialised } = signatures.value ?? (await signatures.load())
    return await notInitialised(device)
  }
  return new RingError(
    'RING_CORRUPT',
    `None of the three superblocks of ${device.name} can be read. If its creation was cut short, create it again: sbr create ` +
      `${device.name}; if the device has grown since, search for the third copy: sbr repair ${device.name}`,
    { device: device.name, field: 'superblock', expected: 'a superblock', found: 'none' },
  )
}

function ambiguous(device: string, copies: readonly SoundCopy[]): RingError {
  const found = copies
    .map(({ offset, superblock }) => `at byte ${offset} ${describeRing(superblock)}`)
    .join('; ')
  return new RingError(
    'RING_CORRUPT',
    `The superblocks of ${device} describe different rings, and nothing tells which of them counts: ${found}. ` +
      `Nothing was changed; sbr dump ${device} --at OFFSET shows each. Keep a copy of the device, overwrite the wrong ones ` +
      `with zeroes, a whole block each, and have them written again: sbr repair ${device} --write`,
    {
      device,
      field: 'superblocks',
      offset: copies.at(-1)?.offset ?? 0,
      expected: 'copies of one ring',
      found,
    },
  )
}

function unsupported(features: UnknownFeatures, device: string): RingError {
  const found = featuresOf(features)
  return new RingError(
    'RING_UNSUPPORTED',
    `The ring on ${device} uses features that this version does not know (${found}); use a newer one`,
    { device, field: 'features', expected: 'none', found },
  )
}

/** Features that this version does not know, for people. */
export function featuresOf({ incompatible, readOnlyCompatible }: UnknownFeatures): string {
  return `incompatible ${incompatible}, read-only compatible ${readOnlyCompatible}`
}
