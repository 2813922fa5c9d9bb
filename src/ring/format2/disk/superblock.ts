import type { FieldSpec } from '../../report/dump.ts'
import {
  type BadBlock,
  bad,
  blockFields,
  isBad,
  openBlock,
  SUPERBLOCK,
  sealBlock,
} from './block.ts'
import { viewOf } from './bytes.ts'
import { BLOCK_SIZES } from './layout.ts'
import { field, struct, u32, u64, utf8 } from './struct.ts'

/** Longest name, in bytes. */
export const MAX_NAME_BYTES = 256

const FIELDS = struct({
  // None are defined, and unknown ones can be ignored.
  compatible: field('compatible features', 64, u32),
  readOnlyCompatible: field('read-only compatible features', 68, u32),
  incompatible: field('incompatible features', 72, u32),
  blockSize: field('block size of the ring', 76, u32),
  deviceBytes: field('device bytes', 80, u64),
  dataOffset: field('data offset', 88, u64),
  dataBlocks: field('data blocks', 96, u64),
  checksum: field('checksum algorithm', 104, u32),
  name: field('name', 128, utf8(MAX_NAME_BYTES, 108)),
})

/** The fields of a superblock, for a dump. */
export function superblockFields(): readonly FieldSpec[] {
  return blockFields(FIELDS)
}

const CRC32C = 1
/** An incompatible feature: the producer overwrites the oldest items when the ring is full. */
const OVERWRITES = 1

/** The properties of a ring that never change. */
export interface Superblock {
  /** 16 bytes. */
  readonly uuid: Uint8Array
  readonly blockSize: number
  /** The device's size when the ring was created. */
  readonly deviceBytes: number
  readonly dataOffset: number
  readonly dataBlocks: number
  /** True if the oldest items are overwritten when there is no room. */
  readonly overwrites: boolean
  /** A label, at most 256 bytes of UTF-8. */
  readonly name: string
}

/** Writes one copy of the superblock. */
export function encodeSuperblock(block: Uint8Array, offset: number, ring: Superblock): void {
  block.fill(0)
  const incompatible = ring.overwrites ? OVERWRITES : 0
  const features = { compatible: 0, readOnlyCompatible: 0, incompatible }
  FIELDS.put(viewOf(block), { ...ring, ...features, checksum: CRC32C })
  sealBlock(block, { type: SUPERBLOCK, offset, uuid: ring.uuid, generation: 1 })
}

/** A ring that only newer code can use, by its unknown features. */
export interface UnknownFeatures {
  readonly incompatible: number
  readonly readOnlyCompatible: number
}

/**
 * Parses the copy of the superblock that was found at `offset`.
 * @returns the superblock; or its unknown features; or why it is invalid
 */
export function parseSuperblock(
  block: Uint8Array,
  offset: number,
): Superblock | UnknownFeatures | BadBlock {
  const header = openBlock(block, SUPERBLOCK, offset)
  if (isBad(header)) return header
  const found = FIELDS.get(viewOf(block))
  const { incompatible, readOnlyCompatible, blockSize, checksum } = found
  const unknown = { incompatible: (incompatible & ~OVERWRITES) >>> 0, readOnlyCompatible }
  if (unknown.incompatible !== 0 || readOnlyCompatible !== 0) return unknown
  if (!BLOCK_SIZES.some((size) => size === blockSize) || blockSize !== block.length) {
    return bad('block size', String(block.length), String(blockSize))
  }
  if (checksum !== CRC32C) return bad('checksum algorithm', '1 (CRC-32C)', String(checksum))
  const { deviceBytes, dataOffset, dataBlocks, name } = found
  const overwrites = (incompatible & OVERWRITES) !== 0
  return { uuid: header.uuid, blockSize, deviceBytes, dataOffset, dataBlocks, overwrites, name }
}
