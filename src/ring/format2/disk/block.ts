import { crc32c } from '../../../checksum/crc32c.ts'
import type { FieldSpec } from '../../report/dump.ts'
import { viewOf } from './bytes.ts'
import { isCount, MAX_COUNT } from './log-position.ts'
import {
  type Fields,
  field,
  raw,
  type Struct,
  shownFields,
  struct,
  u8,
  u32,
  u64,
} from './struct.ts'

/** The header of a metadata block. */
const MAGIC = 'SBRING2\0'
const HEADER = struct({
  magic: field('magic', 0, raw(8, 'text')),
  crc: field('checksum', 8, u32),
  type: field('type', 12, u8),
  offset: field('own offset', 16, u64),
  uuid: field('uuid', 24, raw(16, 'hex')),
  generation: field('generation', 40, u64),
  size: field('block size', 48, u32),
})
const CRC_AT = HEADER.fields.crc.at
/** Includes room for more fields. */
const HEADER_BYTES = 64

/** A metadata block's fields, for a dump: those of the header and its own. */
export function blockFields(...own: readonly Struct<Fields>[]): readonly FieldSpec[] {
  return shownFields(HEADER, ...own)
}

/** The types of metadata blocks. */
export const SUPERBLOCK = 1
export const PRODUCER_SLOT = 2
export const CONSUMER_SLOT = 3
export const LEASE = 4
export const DIRECTORY = 5
export type BlockType =
  | typeof SUPERBLOCK
  | typeof PRODUCER_SLOT
  | typeof CONSUMER_SLOT
  | typeof LEASE
  | typeof DIRECTORY

/** The header of a metadata block. */
export interface BlockHeader {
  readonly type: BlockType
  /** The block's own offset on the device, which reveals misdirected writes and reads. */
  readonly offset: number
  /** The ring's identity, 16 bytes. */
  readonly uuid: Uint8Array
  /** Each write by the role raises it. */
  readonly generation: number
}

const MAGIC_BYTES = new TextEncoder().encode(MAGIC)
// Created once: creation takes longer than decoding.
const latin1 = new TextDecoder('latin1')

/** The reason why a block is invalid. */
export interface BadBlock {
  readonly field: string
  readonly expected: string
  readonly found: string
}

/** Completes a metadata block whose body is written, with header and checksum. */
export function sealBlock(block: Uint8Array, header: BlockHeader): void {
  const view = viewOf(block)
  const { type, offset, uuid, generation } = header
  const size = block.length
  HEADER.put(view, { magic: MAGIC_BYTES, crc: 0, type, offset, uuid, generation, size })
  u32.put(view, CRC_AT, crcOf(block))
}

/**
 * Validates a metadata block that was read at `offset`.
 * @returns its generation and identity, or why it is invalid
 */
export function openBlock(
  block: Uint8Array,
  type: BlockType,
  offset: number,
  uuid?: Uint8Array,
): BadBlock | BlockHeader {
  const found = HEADER.get(viewOf(block))
  const magic = latin1.decode(found.magic)
  if (magic !== MAGIC) return bad('magic', JSON.stringify(MAGIC), JSON.stringify(magic))
  if (found.size !== block.length) {
    return bad('block size', String(block.length), String(found.size))
  }
  const stored = found.crc
  const computed = crcOf(block)
  if (stored !== computed) return bad('checksum', String(computed), String(stored))
  if (found.type !== type) return bad('type', String(type), String(found.type))
  if (found.offset !== offset) return bad('own offset', String(offset), String(found.offset))
  if (uuid !== undefined && !uuid.every((byte, at) => byte === found.uuid[at])) {
    return bad('uuid', formatUuid(uuid), formatUuid(found.uuid))
  }
  const { generation } = found
  if (!isCount(generation)) return bad('generation', `a number below ${MAX_COUNT}`, 'more')
  return { type, offset, uuid: found.uuid, generation }
}

/** The header of a metadata block as text, valid or not, for comparison. */
export function headerText(block: Uint8Array): string {
  return latin1.decode(block.subarray(0, HEADER_BYTES))
}

/** The length that a metadata block claims, in bytes. */
export function statedSize(block: Uint8Array): number {
  return HEADER.get(viewOf(block)).size
}

/** The length and identity that a lease claims, damaged or not; undefined if the block does not claim to be a lease. */
export function statedLease(
  block: Uint8Array,
): { readonly size: number; readonly uuid: Uint8Array } | undefined {
  const { magic, type, size, uuid } = HEADER.get(viewOf(block))
  return latin1.decode(magic) === MAGIC && type === LEASE ? { size, uuid } : undefined
}

/** The checksum of a block, computed with zeroes in its own field. */
function crcOf(block: Uint8Array): number {
  const front = crc32c(new Uint8Array(4), crc32c(block.subarray(0, CRC_AT)))
  return crc32c(block.subarray(CRC_AT + 4), front)
}

/** True if `openBlock` or a parser refused a block. */
export function isBad(result: object): result is BadBlock {
  return 'field' in result
}

/** The reason why a block is refused. */
export function bad(field: string, expected: string, found: string): BadBlock {
  return { field, expected, found }
}

/** A UUID in its usual notation. */
export function formatUuid(uuid: Uint8Array): string {
  const hex = Array.from(uuid, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** The reason why something is invalid, as text. */
export function textOf({ field, expected, found }: BadBlock): string {
  return `${field}: expected ${expected}, found ${found}`
}
