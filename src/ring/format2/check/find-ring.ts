import type { BlockDevice } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import type { VerifyOptions } from '../../report/finding.ts'
import { isBad, statedSize } from '../disk/block.ts'
import { Disk } from '../disk/disk.ts'
import { BLOCK_SIZES, lastSuperblock, UNIT_BYTES } from '../disk/layout.ts'
import { parseSuperblock, type Superblock } from '../disk/superblock.ts'

/** Bytes per read. */
const CHUNK_BYTES = 1 << 20

/**
 * Finds the last copy of the superblock on a device that has grown. The offset is unknown, so the whole device is read.
 * The copy may be left over from another ring, so it counts only if a slot of the same ring exists.
 * @returns the ring; undefined if there is none
 * @throws the signal's reason
 */
export async function findRing(
  device: BlockDevice,
  { onProgress, signal }: VerifyOptions,
): Promise<Disk | undefined> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const deviceBytes = sectorSize * sizeSectors
  for (let offset = 0; offset < deviceBytes; offset += CHUNK_BYTES) {
    signal?.throwIfAborted()
    // A copy may begin at the end of a chunk and continue in the next one.
    const { bytes } = await readRange(device, offset, CHUNK_BYTES + Math.max(...BLOCK_SIZES))
    for (let at = 0; at < Math.min(CHUNK_BYTES, bytes.length); at += UNIT_BYTES) {
      const ring = lastCopyAt(bytes.subarray(at), offset + at)
      const disk = ring && (await Disk.of(device, ring))
      if (disk !== undefined && (await hasSlot(disk))) return disk
    }
    onProgress?.(Math.min(offset + CHUNK_BYTES, deviceBytes), deviceBytes)
  }
  return undefined
}

/** Parses the last copy of a superblock, if these bytes begin with one that was written at that offset. */
function lastCopyAt(bytes: Uint8Array, offset: number): Superblock | undefined {
  const size = BLOCK_SIZES.find((each) => each === statedSize(bytes))
  if (size === undefined || size > bytes.length) return undefined
  const found = parseSuperblock(bytes.subarray(0, size), offset)
  if (isBad(found) || 'incompatible' in found) return undefined
  return lastSuperblock(size, found.deviceBytes) === offset ? found : undefined
}

async function hasSlot(disk: Disk): Promise<boolean> {
  const { producer, consumer } = await disk.readSlots()
  return ![...producer, ...consumer].every(isBad)
}
