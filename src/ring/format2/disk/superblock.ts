import { type BadBlock, BODY_AT, bad, isBad, openBlock, SUPERBLOCK, sealBlock } from './block.ts'
import { getU64, putU64, viewOf } from './bytes.ts'
import { BLOCK_SIZES } from './layout.ts'

// The compatible features are at BODY_AT: there are none, and unknown ones do not matter.
const READ_ONLY_AT = BODY_AT + 4
const INCOMPATIBLE_AT = BODY_AT + 8
const BLOCK_SIZE_AT = BODY_AT + 12
const DEVICE_BYTES_AT = BODY_AT + 16
const DATA_OFFSET_AT = BODY_AT + 24
const DATA_BLOCKS_AT = BODY_AT + 32
const CHECKSUM_AT = BODY_AT + 40
const NAME_LENGTH_AT = BODY_AT + 44
const NAME_AT = BODY_AT + 64
/** A name is no longer. */
export const MAX_NAME_BYTES = 256

const CRC32C = 1
/** An incompatible feature: the producer overwrites the oldest items when there is no room. */
const OVERWRITES = 1

/** What never changes about a ring. */
export interface Superblock {
  /** 16 bytes. */
  readonly uuid: Uint8Array
  readonly blockSize: number
  /** The device's size when the ring was created. */
  readonly deviceBytes: number
  readonly dataOffset: number
  readonly dataBlocks: number
  /** Whether the oldest items are overwritten when there is no room. */
  readonly overwrites: boolean
  /** For people; at most 256 bytes of UTF-8. */
  readonly name: string
}

/** Writes one copy of the superblock. */
export function encodeSuperblock(block: Uint8Array, offset: number, ring: Superblock): void {
  block.fill(0)
  const view = viewOf(block)
  view.setUint32(INCOMPATIBLE_AT, ring.overwrites ? OVERWRITES : 0, true)
  view.setUint32(BLOCK_SIZE_AT, ring.blockSize, true)
  putU64(view, DEVICE_BYTES_AT, ring.deviceBytes)
  putU64(view, DATA_OFFSET_AT, ring.dataOffset)
  putU64(view, DATA_BLOCKS_AT, ring.dataBlocks)
  view.setUint32(CHECKSUM_AT, CRC32C, true)
  const name = new TextEncoder().encodeInto(
    ring.name,
    block.subarray(NAME_AT, NAME_AT + MAX_NAME_BYTES),
  )
  view.setUint16(NAME_LENGTH_AT, name.written, true)
  sealBlock(block, { type: SUPERBLOCK, offset, uuid: ring.uuid, generation: 1 })
}

/** A ring that says that only newer code can use it: the features that are unknown here. */
export interface UnknownFeatures {
  readonly incompatible: number
  readonly readOnlyCompatible: number
}

/**
 * Reads the copy of the superblock that was found at `offset`.
 * @returns the superblock; or which of its features are unknown here; or why it cannot be believed
 */
export function parseSuperblock(
  block: Uint8Array,
  offset: number,
): Superblock | UnknownFeatures | BadBlock {
  const header = openBlock(block, SUPERBLOCK, offset)
  if (isBad(header)) return header
  const view = viewOf(block)
  const incompatible = view.getUint32(INCOMPATIBLE_AT, true)
  const readOnlyCompatible = view.getUint32(READ_ONLY_AT, true)
  const unknown = { incompatible: (incompatible & ~OVERWRITES) >>> 0, readOnlyCompatible }
  if (unknown.incompatible !== 0 || readOnlyCompatible !== 0) return unknown
  const blockSize = view.getUint32(BLOCK_SIZE_AT, true)
  if (!BLOCK_SIZES.some((size) => size === blockSize) || blockSize !== block.length) {
    return bad('block size', String(block.length), String(blockSize))
  }
  const checksum = view.getUint32(CHECKSUM_AT, true)
  if (checksum !== CRC32C) return bad('checksum algorithm', '1 (CRC-32C)', String(checksum))
  const nameLength = view.getUint16(NAME_LENGTH_AT, true)
  return {
    uuid: header.uuid,
    blockSize,
    deviceBytes: getU64(view, DEVICE_BYTES_AT),
    dataOffset: getU64(view, DATA_OFFSET_AT),
    dataBlocks: getU64(view, DATA_BLOCKS_AT),
    overwrites: (incompatible & OVERWRITES) !== 0,
    name: new TextDecoder('utf-8', { ignoreBOM: true }).decode(
      block.subarray(NAME_AT, NAME_AT + Math.min(nameLength, MAX_NAME_BYTES)),
    ),
  }
}
