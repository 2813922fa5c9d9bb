import type { BlockDevice, BlockInfo } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import { readScratch } from '../../../block/scratch.ts'
import { Lazy } from '../../../util/lazy.ts'
import {
  BLOCK_SIZES,
  dataBlocksOf,
  dataOffset,
  firstSuperblock,
  lastSuperblock,
  secondSuperblock,
  superblockOffsets,
} from './layout.ts'
import { parseSuperblock, type Superblock } from './superblock.ts'
import {
  isSameRing,
  isUnknown,
  isValidCopy,
  type SuperblockCopy,
  type ValidCopy,
} from './superblock-copy.ts'

// Finds out which ring a device holds. It can also hold superblocks of other rings: an earlier ring, a ring that was
// copied into an item before items were masked, or one in another partition. So a copy counts only at an offset where
// its own layout has one, and outside the data areas of other credible rings; and the three copies must agree.

const refusals = new Lazy(() => import('./superblock-errors.ts'))

/** Superblocks at the front and at the end lie within this distance, for every block size. */
const FRONT_BYTES = 256 * 1024
const END_BYTES = 128 * 1024

/**
 * Identifies the ring on a device by its superblock.
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 */
export async function identifyRing(device: BlockDevice, info: BlockInfo): Promise<Superblock> {
  const { sectorSize, sizeSectors } = info
  const sound = (await readSuperblocks(device, info)).filter(isValidCopy)
  const [copy] = credible(sound, sectorSize * sizeSectors)
  if (copy === undefined || isUnknown(copy.superblock)) {
    const { ambiguous, noSuperblock, unsupported } = await refusals.load()
    if (copy !== undefined && isUnknown(copy.superblock))
      throw unsupported(copy.superblock, device.name)
    throw sound.length > 0 ? ambiguous(device.name, sound) : await noSuperblock(device, info)
  }
  const { superblock: ring } = copy
  const others = [...sound, ...(await lastCopy(device, info, ring))].filter(
    ({ offset, superblock }) => namedBy(ring).includes(offset) && !isSameRing(superblock, ring),
  )
  if (others.length > 0) {
    throw (await refusals.load()).ambiguous(device.name, [copy, ...others])
  }
  return ring
}

/**
 * The copies outside the data areas of other rings, those at the front first. A copy of a ring that needs a larger
 * device counts only if there is no other: the device may have shrunk.
 */
export function credible(sound: readonly ValidCopy[], deviceBytes: number): readonly ValidCopy[] {
  const own = sound.filter(({ offset, superblock }) => {
    return isUnknown(superblock) || namedBy(superblock).includes(offset)
  })
  const fitting = own.filter(({ superblock }) => {
    return isUnknown(superblock) || superblock.deviceBytes <= deviceBytes
  })
  const rings = fitting.length > 0 ? fitting : own
  return rings.filter((copy) => !rings.some((other) => isInDataOf(copy, other.superblock)))
}

/** The offsets of a ring's superblocks; none if its layout is impossible. */
function namedBy({ blockSize, deviceBytes, ...ring }: Superblock): readonly number[] {
  const matchesLayout =
    ring.dataOffset === dataOffset(blockSize) &&
    ring.dataBlocks === dataBlocksOf(blockSize, deviceBytes)
  return matchesLayout ? superblockOffsets(blockSize, deviceBytes) : []
}

function isInDataOf({ offset, superblock }: ValidCopy, ring: ValidCopy['superblock']): boolean {
  if (isUnknown(ring) || isSameRing(superblock, ring)) return false
  const end = ring.dataOffset + ring.dataBlocks * ring.blockSize
  return offset >= ring.dataOffset && offset < end
}

/** The last copy on a device that has grown, and is no longer at its end. */
async function lastCopy(
  device: BlockDevice,
  info: BlockInfo,
  ring: Superblock,
): Promise<readonly ValidCopy[]> {
  const deviceBytes = info.sectorSize * info.sizeSectors
  const offset = lastSuperblock(ring.blockSize, ring.deviceBytes)
  if (offset >= deviceBytes - END_BYTES) return []
  const { bytes } = await readRange(device, offset, ring.blockSize, info)
  const copy = { offset, superblock: parseSuperblock(bytes.subarray(0, ring.blockSize), offset) }
  return isValidCopy(copy) ? [copy] : []
}

/** Reads every offset where a superblock can be, those at the front first. */
export async function readSuperblocks(
  device: BlockDevice,
  info: BlockInfo,
): Promise<readonly SuperblockCopy[]> {
  const { sectorSize, sizeSectors } = info
  const deviceBytes = sectorSize * sizeSectors
  const copiesIn = (
    from: number,
    length: number,
    offsets: readonly ((size: number) => number)[],
  ): Promise<readonly SuperblockCopy[]> => {
    const sector = Math.floor(from / sectorSize)
    const sectors = Math.min(sizeSectors - sector, Math.ceil(length / sectorSize))
    const start = sector * sectorSize
    return readScratch(device, sector, sectors * sectorSize, (bytes) =>
      offsets.flatMap((offsetOf) =>
        BLOCK_SIZES.flatMap((size) => {
          const offset = offsetOf(size)
          const at = offset - start
          if (at < 0 || at + size > bytes.length) return []
          return [{ offset, superblock: parseSuperblock(bytes.subarray(at, at + size), offset) }]
        }),
      ),
    )
  }
  const front = await copiesIn(0, FRONT_BYTES, [firstSuperblock, secondSuperblock])
  const last = (size: number): number => lastSuperblock(size, deviceBytes)
  return [...front, ...(await copiesIn(Math.max(0, deviceBytes - END_BYTES), END_BYTES, [last]))]
}
