import type { BlockDevice, BlockInfo } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import { RingError } from '../../../errors.ts'
import { type BadBlock, isBad, statedSize } from './block.ts'
import {
  DIRECTORY_BYTES,
  DIRECTORY_COPIES,
  DIRECTORY_STEP,
  type Directory,
  POOL_START,
  parseDirectory,
} from './directory.ts'
import type { UnknownFeatures } from './superblock.ts'
import type { ValidCopy } from './superblock-copy.ts'

/** A copy of a pool's directory, as read. */
export interface DirectoryCopy {
  readonly offset: number
  readonly directory: Directory | UnknownFeatures | BadBlock
  /** All bytes that were read of it. */
  readonly bytes: Uint8Array
}

/** A copy whose checksum holds, of a directory that this version knows. */
export interface SoundDirectory extends DirectoryCopy {
  readonly directory: Directory
}

/** True if a copy can be used. */
export function isSoundDirectory(copy: DirectoryCopy): copy is SoundDirectory {
  return 'rings' in copy.directory
}

/** Reads both copies. A copy that would lie past the end of a small device is missing. */
export function readDirectoryCopies(
  device: BlockDevice,
  info: BlockInfo,
): Promise<readonly DirectoryCopy[]> {
  const bytes = info.sectorSize * info.sizeSectors
  const there = DIRECTORY_COPIES.filter((offset) => offset + DIRECTORY_STEP <= bytes)
  return Promise.all(there.map((offset) => readCopy(device, info, offset)))
}

/** Reads the beginning of a copy, which most copies fit into. */
export async function readDirectoryStart(
  device: BlockDevice,
  info: BlockInfo,
  offset: number,
): Promise<Uint8Array> {
  return (await readRange(device, offset, DIRECTORY_STEP, info)).bytes.subarray(0, DIRECTORY_STEP)
}

async function readCopy(
  device: BlockDevice,
  info: BlockInfo,
  offset: number,
): Promise<DirectoryCopy> {
  const start = await readDirectoryStart(device, info, offset)
  const size = statedSize(start)
  const possible = size % DIRECTORY_STEP === 0 && size >= DIRECTORY_STEP && size <= DIRECTORY_BYTES
  const wanted = possible ? size : DIRECTORY_STEP
  const read =
    start.length >= wanted ? start : (await readRange(device, offset, wanted, info)).bytes
  const bytes = read.subarray(0, wanted)
  return { offset, directory: parseDirectory(bytes, offset), bytes }
}

/**
 * True if there is a directory, even one of a newer version. Only the directory identifies a pool: the end of the
 * device belongs to one of its rings, and the start has no superblock.
 * @param superblocks all sound superblocks on the device
 */
export async function hasDirectory(
  device: BlockDevice,
  info: BlockInfo,
  superblocks: readonly ValidCopy[],
): Promise<boolean> {
  if (superblocks.some(({ offset }) => offset < POOL_START)) return false
  const copies = await readDirectoryCopies(device, info)
  return copies.some(({ directory }) => !isBad(directory))
}

/** The error of a pool where a ring is expected. */
export function poolFound(device: string): RingError {
  return new RingError(
    'RING_IS_POOL',
    `${device} holds a pool of rings; open one of them: ${device}#NAME. sbr pool list ${device} shows their names`,
    { device, expected: 'a ring', found: 'a pool of rings' },
  )
}
