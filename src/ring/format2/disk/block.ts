import { crc32c } from '../../../checksum/crc32c.ts'
import { getU64, putU64, viewOf } from './bytes.ts'
import { isCount, MAX_COUNT } from './log-position.ts'

/** What begins every metadata block. */
const MAGIC = 'SBRING2\0'
const CRC_AT = 8
const TYPE_AT = 12
const OFFSET_AT = 16
const UUID_AT = 24
const GENERATION_AT = 40
const SIZE_AT = 48
/** Where a metadata block's own fields begin. */
export const BODY_AT = 64

/** What a metadata block can be. */
export const SUPERBLOCK = 1
export const PRODUCER_SLOT = 2
export const CONSUMER_SLOT = 3
export const LEASE = 4
export type BlockType =
  | typeof SUPERBLOCK
  | typeof PRODUCER_SLOT
  | typeof CONSUMER_SLOT
  | typeof LEASE

/** What all metadata blocks say of themselves. */
export interface BlockHeader {
  readonly type: BlockType
  /** Where the block is on the device: shows misdirected writes and reads. */
  readonly offset: number
  /** The ring's identity, 16 bytes. */
  readonly uuid: Uint8Array
  /** Grows with each write of the role. */
  readonly generation: number
}

// Making these takes longer than using them.
const encoder = new TextEncoder()
const latin1 = new TextDecoder('latin1')

/** Why a block cannot be believed. */
export interface BadBlock {
  readonly field: string
  readonly expected: string
  readonly found: string
}

/** Finishes a metadata block whose body is written: header and checksum. */
export function sealBlock(block: Uint8Array, header: BlockHeader): void {
  const view = viewOf(block)
  encoder.encodeInto(MAGIC, block)
  view.setUint8(TYPE_AT, header.type)
  putU64(view, OFFSET_AT, header.offset)
  block.set(header.uuid, UUID_AT)
  putU64(view, GENERATION_AT, header.generation)
  view.setUint32(SIZE_AT, block.length, true)
  view.setUint32(CRC_AT, crcOf(block), true)
}

/**
 * Checks a metadata block that was read at `offset`.
 * @returns its generation and identity, or why it cannot be believed
 */
export function openBlock(
  block: Uint8Array,
  type: BlockType,
  offset: number,
  uuid?: Uint8Array,
): BadBlock | BlockHeader {
  const view = viewOf(block)
  const magic = latin1.decode(block.subarray(0, MAGIC.length))
  if (magic !== MAGIC) return bad('magic', JSON.stringify(MAGIC), JSON.stringify(magic))
  const size = saidSize(block)
  if (size !== block.length) return bad('block size', String(block.length), String(size))
  const stored = view.getUint32(CRC_AT, true)
  const computed = crcOf(block)
  if (stored !== computed) return bad('checksum', String(computed), String(stored))
  const foundType = view.getUint8(TYPE_AT)
  if (foundType !== type) return bad('type', String(type), String(foundType))
  const foundOffset = getU64(view, OFFSET_AT)
  if (foundOffset !== offset) return bad('own offset', String(offset), String(foundOffset))
  const foundUuid = block.slice(UUID_AT, UUID_AT + 16)
  if (uuid !== undefined && !uuid.every((byte, at) => byte === foundUuid[at])) {
    return bad('uuid', formatUuid(uuid), formatUuid(foundUuid))
  }
  const generation = getU64(view, GENERATION_AT)
  if (!isCount(generation)) return bad('generation', `a number below ${MAX_COUNT}`, 'more')
  return { type, offset, uuid: foundUuid, generation }
}

/** How long a metadata block says that it is, in bytes. */
export function saidSize(block: Uint8Array): number {
  return viewOf(block).getUint32(SIZE_AT, true)
}

/** The checksum of a block, in which its own field counts as zeroes. */
function crcOf(block: Uint8Array): number {
  const front = crc32c(new Uint8Array(4), crc32c(block.subarray(0, CRC_AT)))
  return crc32c(block.subarray(CRC_AT + 4), front)
}

/** Whether `openBlock` or a parser refused a block. */
export function isBad(result: object): result is BadBlock {
  return 'field' in result
}

/** Says why a block is refused. */
export function bad(field: string, expected: string, found: string): BadBlock {
  return { field, expected, found }
}

/** A UUID as people write it. */
export function formatUuid(uuid: Uint8Array): string {
  const hex = Array.from(uuid, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Why something cannot be believed, for people. */
export function textOf({ field, expected, found }: BadBlock): string {
  return `${field}: expected ${expected}, found ${found}`
}
