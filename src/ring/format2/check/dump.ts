import type { BlockDevice } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import { isRingError } from '../../../errors.ts'
import {
  type DumpOptions,
  decodeFields,
  type FieldSpec,
  type RingStructure,
} from '../../report/dump.ts'
import { isBad, textOf } from '../disk/block.ts'
import { Disk } from '../disk/disk.ts'
import { encodeGuard, GUARD_BYTES, guardFields, hasGuard } from '../disk/guard.ts'
import { BLOCK_SIZES } from '../disk/layout.ts'
import { leaseFields, parseLease } from '../disk/lease-block.ts'
import {
  consumerSlotFields,
  parseConsumerSlot,
  parseProducerSlot,
  producerSlotFields,
} from '../disk/slots.ts'
import { parseSuperblock, superblockFields } from '../disk/superblock.ts'
import { readBlock } from './check-blocks.ts'
import { structureInData } from './dump-data.ts'

/** A metadata block with its offset, its fields and its damage. */
interface MetadataBlock {
  readonly structure: string
  readonly offset: number
  fields(block: Uint8Array): readonly FieldSpec[]
  check(block: Uint8Array): object
}

/** The structure at an offset of a device; see `dumpAt`. */
export async function structureAt(
  device: BlockDevice,
  offset: number,
  length: number,
  options: DumpOptions,
): Promise<RingStructure> {
  let disk: Disk
  try {
    disk = await Disk.open(device)
  } catch (error) {
    const superblock = await oneOfSeveral(device, offset, error)
    if (superblock === undefined) throw error
    return superblock
  }
  const { layout } = disk
  if (offset < GUARD_BYTES) return guard(disk)
  const blocks = metadataOf(disk)
  const found = blocks.find((each) => isIn(offset, each.offset, layout.blockSize))
  if (found !== undefined) return metadata(disk, found)
  const { dataOffset, dataBlocks, blockSize } = layout
  if (isIn(offset, dataOffset, dataBlocks * blockSize)) {
    return structureInData(disk, offset, length, options)
  }
  const { sectorSize, sizeSectors } = await device.getInfo()
  const edges = [
    GUARD_BYTES,
    ...blocks.flatMap((each) => [each.offset, each.offset + blockSize]),
    dataOffset,
    dataOffset + dataBlocks * blockSize,
    sectorSize * sizeSectors,
  ]
  const start = Math.max(...edges.filter((edge) => edge <= offset))
  const end = Math.min(...edges.filter((edge) => edge > offset))
  return { structure: 'padding', start, length: end - start, fields: [] }
}

/**
 * The superblock at an offset, on a device whose superblocks describe different rings: seeing each one is how a person
 * finds out which is right.
 */
async function oneOfSeveral(
  device: BlockDevice,
  offset: number,
  error: unknown,
): Promise<RingStructure | undefined> {
  if (!isRingError(error) || error.details.field !== 'superblocks') return undefined
  const { sectorSize } = await device.getInfo()
  if (offset % sectorSize !== 0) return undefined
  const { bytes } = await readRange(device, offset, Math.max(...BLOCK_SIZES))
  const blocks = BLOCK_SIZES.map((size) => bytes.subarray(0, size))
  const block = blocks.find((each) => !isBad(parseSuperblock(each, offset)))
  if (block === undefined) return undefined
  return {
    structure: 'superblock',
    start: offset,
    length: block.length,
    fields: decodeFields(block, offset, superblockFields()),
  }
}

function isIn(offset: number, start: number, length: number): boolean {
  return offset >= start && offset < start + length
}

async function guard(disk: Disk): Promise<RingStructure> {
  const bytes = disk.device.allocate(disk.layout.superblocks[0])
  await disk.device.read(0, [bytes])
  const problem = hasGuard(bytes) ? {} : { problem: `a byte differs at ${differsAt(bytes)}` }
  return {
    structure: 'guard',
    start: 0,
    length: GUARD_BYTES,
    ...problem,
    fields: decodeFields(bytes, 0, guardFields()),
  }
}

function differsAt(bytes: Uint8Array): number {
  return encodeGuard().findIndex((byte, at) => bytes[at] !== byte)
}

function metadataOf({ layout, ring }: Disk): readonly MetadataBlock[] {
  const { superblocks, producerSlots, consumerSlots, leases } = layout
  return [
    ...superblocks.map((offset, index) => ({
      structure: `superblock ${index + 1}`,
      offset,
      fields: superblockFields,
      check: (block: Uint8Array) => parseSuperblock(block, offset),
    })),
    ...producerSlots.map((offset, index) => ({
      structure: `producer slot ${index + 1}`,
      offset,
      fields: producerSlotFields,
      check: (block: Uint8Array) => parseProducerSlot(block, offset, ring.uuid, layout),
    })),
    ...consumerSlots.map((offset, index) => ({
      structure: `consumer slot ${index + 1}`,
      offset,
      fields: consumerSlotFields,
      check: (block: Uint8Array) => parseConsumerSlot(block, offset, ring.uuid, layout),
    })),
    ...Object.entries(leases).map(([role, offset]) => ({
      structure: `${role} lease`,
      offset,
      fields: leaseFields,
      check: (block: Uint8Array) => parseLease(block, offset, ring.uuid),
    })),
  ]
}

async function metadata(disk: Disk, found: MetadataBlock): Promise<RingStructure> {
  const block = await readBlock(disk, found.offset)
  const problems = found.check(block)
  return {
    structure: found.structure,
    start: found.offset,
    length: block.length,
    ...(isBad(problems) && { problem: textOf(problems) }),
    fields: decodeFields(block, found.offset, found.fields(block)),
  }
}
