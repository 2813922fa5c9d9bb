import { RingError } from '../../../errors.ts'
import { GUARD_BYTES } from './guard.ts'

/** Metadata blocks lie at multiples of this, or of the block size if that is larger. */
export const UNIT_BYTES = 4096
/** The valid block sizes. */
export const BLOCK_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] as const
export const DEFAULT_BLOCK_SIZE = 4096
/** The smallest data area: a batch, its marker, and room to move. */
export const MIN_DATA_BLOCKS = 4
/** The producer checkpoints after this many bytes of log, which limits what attaching has to read. */
export const CHECKPOINT_BYTES: number = 4 << 20
/** The limit for batches of more than one item. */
export const MAX_BATCH_BYTES: number = 4 << 20
/**
 * The same limit, as a part of the ring. A batch's space is freed only once all of it is acknowledged, and a single
 * unacknowledged item must not keep the whole ring from the producer.
 */
const MAX_BATCH_PART = 1 / 4
/** Two superblocks at the front, two slots for each role, a lease for each role. */
const FRONT_BLOCKS = 8

/** The offsets of a ring's structures, in bytes from the device's start. */
export interface Layout {
  readonly blockSize: number
  /** The superblock's copies: two in front, one at the end. */
  readonly superblocks: readonly [number, number, number]
  readonly producerSlots: readonly [number, number]
  readonly consumerSlots: readonly [number, number]
  /** From the first producer slot to the end of the last consumer slot, read in one request. */
  readonly slots: { readonly offset: number; readonly bytes: number }
  /** Offsets of the roles' leases. */
  readonly leases: { readonly producer: number; readonly consumer: number }
  readonly dataOffset: number
  /** Blocks in the data area. */
  readonly dataBlocks: number
}

/** The distance between metadata blocks. */
function unitOf(blockSize: number): number {
  return Math.max(UNIT_BYTES, blockSize)
}

/** Offset of the first superblock, for a block size. */
export function firstSuperblock(blockSize: number): number {
  const unit = unitOf(blockSize)
  return Math.ceil(GUARD_BYTES / unit) * unit
}

/** Offset of the second superblock, for a block size. */
export function secondSuperblock(blockSize: number): number {
  return firstSuperblock(blockSize) + unitOf(blockSize)
}

/** Offset of the last superblock, for a block size. */
export function lastSuperblock(blockSize: number, deviceBytes: number): number {
  const unit = unitOf(blockSize)
  return Math.floor(deviceBytes / unit) * unit - unit
}

/** Offsets of the superblock's three copies. */
export function superblockOffsets(
  blockSize: number,
  deviceBytes: number,
): readonly [number, number, number] {
  return [
    firstSuperblock(blockSize),
    secondSuperblock(blockSize),
    lastSuperblock(blockSize, deviceBytes),
  ]
}

/** Blocks from the beginning of the data area to the last superblock. */
export function dataBlocksOf(blockSize: number, deviceBytes: number): number {
  return Math.floor((lastSuperblock(blockSize, deviceBytes) - dataOffset(blockSize)) / blockSize)
}

/** Offsets of both roles' leases, for a block size. */
export function leaseOffsets(blockSize: number): Layout['leases'] {
  const [first, unit] = [firstSuperblock(blockSize), unitOf(blockSize)]
  return { producer: first + 6 * unit, consumer: first + 7 * unit }
}

/** Offset of the data area, for a block size. */
export function dataOffset(blockSize: number): number {
  return firstSuperblock(blockSize) + FRONT_BLOCKS * unitOf(blockSize)
}

/**
 * @throws {RingError} `RING_DEVICE_TOO_SMALL`
 */
export function makeLayout(blockSize: number, deviceBytes: number, device: string): Layout {
  const unit = unitOf(blockSize)
  const first = firstSuperblock(blockSize)
  const start = dataOffset(blockSize)
  const dataBlocks = dataBlocksOf(blockSize, deviceBytes)
  if (dataBlocks < MIN_DATA_BLOCKS) {
    const minimum = start + Math.ceil((MIN_DATA_BLOCKS * blockSize) / unit) * unit + unit
    throw new RingError(
      'RING_DEVICE_TOO_SMALL',
      `The block device is too small for a ring of format 2 with ${blockSize}-byte blocks; the minimum is ` +
        `${minimum} bytes, but ${device} has ${deviceBytes}`,
      { device, expected: `at least ${minimum} bytes`, found: String(deviceBytes) },
    )
  }
  return {
    blockSize,
    superblocks: superblockOffsets(blockSize, deviceBytes),
    producerSlots: [first + 2 * unit, first + 3 * unit],
    consumerSlots: [first + 4 * unit, first + 5 * unit],
    slots: { offset: first + 2 * unit, bytes: 4 * unit },
    leases: leaseOffsets(blockSize),
    dataOffset: start,
    dataBlocks,
  }
}

/** Blocks of the longest batch of more than one item. */
export function maxBatchBlocks({ blockSize, dataBlocks }: Layout): number {
  return Math.max(1, Math.floor(Math.min(MAX_BATCH_BYTES / blockSize, dataBlocks * MAX_BATCH_PART)))
}

/** Blocks after a checkpoint that recovery searches, unless more than that is uncommitted. */
export function searchBlocks({ blockSize }: Layout): number {
  return Math.ceil((2 * CHECKPOINT_BYTES + MAX_BATCH_BYTES) / blockSize)
}
