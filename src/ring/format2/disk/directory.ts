import { type BadBlock, bad, DIRECTORY, isBad, openBlock, sealBlock } from './block.ts'
import { viewOf } from './bytes.ts'
import { isCount, MAX_COUNT } from './log-position.ts'
import { field, raw, struct, u8, u32, u64 } from './struct.ts'
import type { UnknownFeatures } from './superblock.ts'

/** Rings of a pool begin at multiples of this, and their sizes are multiples of it. No device has larger sectors. */
export const POOL_UNIT = 65_536
/** Offsets of the two copies of the directory. */
export const DIRECTORY_COPIES: readonly [number, number] = [POOL_UNIT, 16 * POOL_UNIT]
/** Space reserved for a copy. */
export const DIRECTORY_BYTES: number = 15 * POOL_UNIT
/** Offset of the directory's lease, which takes one unit. */
export const DIRECTORY_LEASE: number = 31 * POOL_UNIT
/** Offset of the first ring. */
export const POOL_START: number = 32 * POOL_UNIT
/** The size of a copy is a multiple of this. */
export const DIRECTORY_STEP = 4096
/** Longest name of a ring in a pool, in bytes of UTF-8. */
export const MAX_RING_NAME_BYTES = 64

const FIELDS = struct({
  // None are defined, and unknown ones can be ignored.
  compatible: field('compatible features', 64, u32),
  readOnlyCompatible: field('read-only compatible features', 68, u32),
  incompatible: field('incompatible features', 72, u32),
  count: field('rings', 76, u32),
  poolBytes: field('pool bytes', 80, u64),
  nextId: field('next id', 88, u64),
})
const ENTRIES_AT = 128
const ENTRY_BYTES = 96
const ENTRY = struct({
  offset: field('offset', 0, u64),
  bytes: field('bytes', 8, u64),
  id: field('id', 16, u64),
  nameLength: field('name length', 24, u8),
  name: field('name', 32, raw(MAX_RING_NAME_BYTES, 'text')),
})

/** The most rings that fit into a directory. */
export const MAX_RINGS: number = Math.floor((DIRECTORY_BYTES - ENTRIES_AT) / ENTRY_BYTES)

/** A ring in a pool. */
export interface DirectoryEntry {
  readonly name: string
  /** Its beginning, in bytes from the device's start. */
  readonly offset: number
  readonly bytes: number
  /** Never reused: identifies a ring even if another one has taken its name or its space. */
  readonly id: number
}

/** The content of a pool's directory. */
export interface Directory {
  /** The pool's identity, 16 bytes. */
  readonly uuid: Uint8Array
  /** Each change raises it. */
  readonly generation: number
  /** The end of the pool: rings lie before this byte of the device. */
  readonly poolBytes: number
  /** The id of the next ring. */
  readonly nextId: number
  /** In the order of their offsets. */
  readonly rings: readonly DirectoryEntry[]
}

// These rules are part of the format, so they must not depend on a version of Unicode.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they refuse
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029#]/
/** The rule for names, as text. */
export const RING_NAME_RULE: string = `1 to ${MAX_RING_NAME_BYTES} bytes of UTF-8 without control characters and without #`

/** True if a ring of a pool can have this name. */
export function isRingName(name: string): boolean {
  const { length } = encoder.encode(name)
  return length > 0 && length <= MAX_RING_NAME_BYTES && name.isWellFormed() && !CONTROLS.test(name)
}

/** Size of a copy in bytes. */
function sizeOf(rings: number): number {
  return Math.ceil((ENTRIES_AT + rings * ENTRY_BYTES) / DIRECTORY_STEP) * DIRECTORY_STEP
}

/** Encodes the copy for an offset. */
export function encodeDirectory(directory: Directory, offset: number): Uint8Array {
  const { uuid, generation, poolBytes, nextId, rings } = directory
  const block = new Uint8Array(sizeOf(rings.length))
  const view = viewOf(block)
  const features = { compatible: 0, readOnlyCompatible: 0, incompatible: 0 }
  FIELDS.put(view, { ...features, count: rings.length, poolBytes, nextId })
  for (const [index, ring] of rings.entries()) {
    const name = encoder.encode(ring.name)
    ENTRY.put(view, { ...ring, name, nameLength: name.length }, ENTRIES_AT + index * ENTRY_BYTES)
  }
  sealBlock(block, { type: DIRECTORY, offset, uuid, generation })
  return block
}

/**
 * Parses the copy that was read at `offset`.
 * @returns the directory; or its unknown features; or why it is invalid
 */
export function parseDirectory(
  block: Uint8Array,
  offset: number,
): Directory | UnknownFeatures | BadBlock {
  const header = openBlock(block, DIRECTORY, offset)
  if (isBad(header)) return header
  const view = viewOf(block)
  const { incompatible, readOnlyCompatible, count, poolBytes, nextId } = FIELDS.get(view)
  if (incompatible !== 0 || readOnlyCompatible !== 0) return { incompatible, readOnlyCompatible }
  if (count > MAX_RINGS || sizeOf(count) !== block.length) {
    return bad('rings', `as many as ${block.length} bytes hold`, String(count))
  }
  if (!(poolBytes >= POOL_START && poolBytes % POOL_UNIT === 0)) {
    return bad('pool bytes', `a multiple of ${POOL_UNIT} from ${POOL_START}`, String(poolBytes))
  }
  if (!isCount(nextId)) return bad('next id', `a number below ${MAX_COUNT}`, String(nextId))
  const rings: DirectoryEntry[] = []
  const ids = new Set<number>()
  const names = new Set<string>()
  let free = POOL_START
  for (let index = 0; index < count; index++) {
    const ring = entryAt(view, block, index, free, poolBytes)
    if (isBad(ring)) return ring
    if (!(ring.id < nextId) || ids.has(ring.id)) {
      return bad(`id of ring ${index}`, `one of its own, below ${nextId}`, String(ring.id))
    }
    if (names.has(ring.name)) {
      return bad(`name of ring ${index}`, 'one of its own', JSON.stringify(ring.name))
    }
    ids.add(ring.id)
    names.add(ring.name)
    rings.push(ring)
    free = ring.offset + ring.bytes
  }
  const { uuid, generation } = header
  return { uuid, generation, poolBytes, nextId, rings }
}

/** @param free the end of the ring before it */
function entryAt(
  view: DataView,
  block: Uint8Array,
  index: number,
  free: number,
  poolBytes: number,
): DirectoryEntry | BadBlock {
  const at = ENTRIES_AT + index * ENTRY_BYTES
  const { offset, bytes, id, nameLength } = ENTRY.get(view, at)
  if (!(offset >= free && offset % POOL_UNIT === 0)) {
    return bad(`offset of ring ${index}`, `a multiple of ${POOL_UNIT} from ${free}`, String(offset))
  }
  const most = poolBytes - offset
  if (!(bytes > 0 && bytes % POOL_UNIT === 0 && bytes <= most)) {
    return bad(`bytes of ring ${index}`, `a multiple of ${POOL_UNIT}, up to ${most}`, String(bytes))
  }
  const nameAt = at + ENTRY.fields.name.at
  const name = nameOf(block.subarray(nameAt, nameAt + Math.min(nameLength, MAX_RING_NAME_BYTES)))
  if (name === undefined || nameLength > MAX_RING_NAME_BYTES) {
    return bad(`name of ring ${index}`, RING_NAME_RULE, 'something else')
  }
  return { name, offset, bytes, id }
}

function nameOf(bytes: Uint8Array): string | undefined {
  try {
    const name = decoder.decode(bytes)
    return isRingName(name) ? name : undefined
  } catch {
    return undefined
  }
}
