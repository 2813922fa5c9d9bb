import { crc32c } from '../../../src/checksum/crc32c.ts'
import { headerFields } from '../../../src/ring/format2/disk/batch.ts'
import { viewOf } from '../../../src/ring/format2/disk/bytes.ts'
import {
  BLOCK_SIZES,
  firstSuperblock,
  lastSuperblock,
  secondSuperblock,
} from '../../../src/ring/format2/disk/layout.ts'
import { leaseFields } from '../../../src/ring/format2/disk/lease-block.ts'
import { consumerSlotFields, producerSlotFields } from '../../../src/ring/format2/disk/slots.ts'
import { superblockFields } from '../../../src/ring/format2/disk/superblock.ts'
import type { FieldSpec } from '../../../src/ring/report/dump.ts'
import type { Random } from '../../../src/sim/world/random.ts'
import type { Composed } from './compose2.ts'
import { type SparseImage, seal } from './image.ts'
import { getField, hostileNumber, putField } from './numbers.ts'

const MAGIC = 'SBRING2'
const BATCH_MAGIC = 0x42524253
const BATCH_HEADER_BYTES = 80
const TABLE_BYTES = 8
/** By the type that a metadata block says it is of. */
const FIELDS: Readonly<Record<number, (block: Uint8Array) => readonly FieldSpec[]>> = {
  1: superblockFields,
  2: producerSlotFields,
  3: consumerSlotFields,
  4: leaseFields,
}

/** A structure of format 2 that lies in an image. */
interface Found {
  readonly kind: 'metadata' | 'batch'
  readonly bytes: Uint8Array
  readonly offset: number
}

/** Changes some fields of whatever structures of format 2 an image has, and lets their checksums hold. */
export function mutate({ image }: Composed, random: Random): readonly string[] {
  const found = structuresOf(image)
  const told: string[] = []
  for (let times = random.pick([1, 1, 2, 4]); times > 0 && found.length > 0; times--) {
    told.push(mutateOne(random.pick(found), random))
  }
  return told
}

function structuresOf({ extents }: SparseImage): readonly Found[] {
  return extents.flatMap(({ offset, bytes }) => {
    const found: Found[] = []
    for (let at = 0; at + 512 <= bytes.length; at += 512) {
      const view = viewOf(bytes.subarray(at))
      const size = view.getUint32(48, true)
      const isMetadata = Buffer.from(bytes.subarray(at, at + 7)).toString('latin1') === MAGIC
      if (isMetadata && at + size <= bytes.length && size > 0) {
        found.push({ kind: 'metadata', bytes: bytes.subarray(at, at + size), offset: offset + at })
      } else if (view.getUint32(0, true) === BATCH_MAGIC) {
        found.push({ kind: 'batch', bytes: bytes.subarray(at), offset: offset + at })
      }
    }
    return found
  })
}

function mutateOne({ kind, bytes, offset }: Found, random: Random): string {
  const specs = kind === 'batch' ? headerFields() : (FIELDS[bytes[12] ?? 0]?.(bytes) ?? [])
  const numbers = specs.filter(
    ([name, , width, how]) => name !== 'checksum' && width <= 8 && how !== 'text',
  )
  if (numbers.length === 0) return 'nothing'
  const [name, at, width] = random.pick(numbers)
  const old = getField(bytes, at, width)
  const bounds = [bytes.length, 2 ** (8 * Math.min(width, 6)) - 1]
  const value = random.chance(0.05)
    ? 2n ** BigInt(8 * width) - 1n
    : BigInt(hostileNumber(random, Number(old), bounds))
  putField(bytes, at, width, value)
  if (kind === 'metadata') seal(bytes)
  else sealBatch(bytes)
  return `${name} at ${offset}: ${old} is now ${getField(bytes, at, width)}`
}

function sealBatch(bytes: Uint8Array): void {
  const view = viewOf(bytes)
  const end = BATCH_HEADER_BYTES + view.getUint32(64, true) * TABLE_BYTES
  // One that goes on elsewhere stays broken.
  if (end <= bytes.length) view.setUint32(72, crc32c(bytes.subarray(BATCH_HEADER_BYTES, end)), true)
  view.setUint32(4, crc32c(bytes.subarray(8, BATCH_HEADER_BYTES)), true)
}

/** Puts a superblock of another ring wherever one may be, so that there seem to be two. */
export function addRing({ image }: Composed, other: Composed, random: Random): string {
  const blocks = structuresOf(other.image).filter(({ kind }) => kind === 'metadata')
  const size = random.pick(BLOCK_SIZES)
  const offset = random.pick([
    firstSuperblock(size),
    secondSuperblock(size),
    lastSuperblock(size, image.deviceBytes),
  ])
  const block = random.pick(blocks.filter(({ bytes }) => bytes[12] === 1))
  if (block === undefined || block.bytes.length % image.sectorSize !== 0) return 'no other ring'
  if (!image.holds(offset, block.bytes.length)) return 'no room for another ring'
  const target = image.at(offset, block.bytes.length)
  target.set(block.bytes)
  viewOf(target).setUint32(16, offset % 2 ** 32, true)
  viewOf(target).setUint32(20, Math.floor(offset / 2 ** 32), true)
  seal(target)
  return `a superblock of another ring at ${offset}`
}
