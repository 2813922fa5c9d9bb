import { makeLayout } from '../../src/ring/format2/disk/layout.ts'
import type { Random } from '../../src/sim/world/random.ts'
import type { Base, Shape } from './bases.ts'

/** Bytes of an image, from an offset on. */
export interface Range {
  readonly offset: number
  readonly bytes: number
}

/** Where the parts of an image are. */
export interface Places {
  readonly superblocks: readonly Range[]
  /** Pointer sectors in format 1. */
  readonly slots: readonly Range[]
  readonly leases: readonly Range[]
  readonly data: readonly Range[]
}

/** A damaged image. */
export interface Image {
  readonly base: Base
  readonly bytes: Uint8Array
  /** What was done to it, for people. */
  readonly damage: readonly string[]
  /** Checksums were made to hold again: then items may have any bytes. */
  readonly sealed: boolean
}

/** Where things are on a device of that shape. */
export function placesOf({ format, blockSize, dataBlocks }: Shape, image: Uint8Array): Places {
  const range = (offset: number): Range => ({ offset, bytes: blockSize })
  if (format === 1) {
    return {
      superblocks: [range(0)],
      slots: [range(blockSize), range(2 * blockSize)],
      leases: [],
      data: Array.from({ length: dataBlocks }, (_, index) => range((3 + index) * blockSize)),
    }
  }
  const layout = makeLayout(blockSize, image.length, 'image')
  return {
    superblocks: layout.superblocks.map(range),
    slots: [...layout.producerSlots, ...layout.consumerSlots].map(range),
    leases: [layout.leases.producer, layout.leases.consumer].map(range),
    data: Array.from({ length: layout.dataBlocks }, (_, index) =>
      range(layout.dataOffset + index * blockSize),
    ),
  }
}

/** Damages an image as a disk does: checksums do not hold, unless the damage is a block that was there once. */
export function damage(base: Base, random: Random): Image {
  const bytes = base.image.slice()
  const places = placesOf(base.shape, bytes)
  const what: string[] = []
  let image: Uint8Array = bytes
  const times = random.weighted([
    [1, 0],
    [50, 1],
    [30, 2],
    [15, 3],
    [4, 8],
  ])
  for (let time = 0; time < times; time++) {
    const [name, apply] = random.pick(KINDS)
    what.push(`${name} ${apply({ base, bytes, places, random })}`)
  }
  if (random.chance(0.03)) {
    image = resized(bytes, base.shape, random)
    what.push(`resized to ${image.length}`)
  }
  return { base, bytes: image, damage: what, sealed: false }
}

interface Context {
  readonly base: Base
  readonly bytes: Uint8Array
  readonly places: Places
  readonly random: Random
}

/** What can happen to an image; each says where it did. */
const KINDS: readonly (readonly [string, (context: Context) => string])[] = [
  ['flips', flips],
  ['noise', noise],
  ['constant', constant],
  ['swap', swap],
  ['stale', stale],
  ['torn', torn],
  ['rollback', rollback],
  ['foreign', foreign],
  ['misdirected', misdirected],
]

function pickBlock({ places, bytes, random }: Context): Range {
  const among = random.weighted([
    [8, places.data],
    [6, places.slots],
    [2, [...places.superblocks, ...places.leases]],
    [1, [{ offset: 0, bytes: Math.min(bytes.length, 12_288) }]],
  ])
  return random.pick(among)
}

/** A place in a block: mostly near its start, where the fields are. */
function pickAt(block: Range, random: Random): number {
  return block.offset + random.below(random.chance(0.6) ? Math.min(256, block.bytes) : block.bytes)
}

function flips(context: Context): string {
  const { bytes, random } = context
  const block = pickBlock(context)
  const count = random.between(1, 8)
  for (let flip = 0; flip < count; flip++) {
    const at = pickAt(block, random)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
  }
  return `${count} bits at ${block.offset}`
}

function noise(context: Context): string {
  const { bytes, random } = context
  const block = pickBlock(context)
  const from = random.chance(0.2) ? block.offset : pickAt(block, random)
  const length = random.chance(0.2) ? block.bytes : random.between(1, 32)
  const end = Math.min(block.offset + block.bytes, from + length)
  for (let at = from; at < end; at++) bytes[at] = random.below(256)
  return `${from} to ${end}`
}

function constant(context: Context): string {
  const { bytes, random } = context
  const block = pickBlock(context)
  const value = random.pick([0, 0, 0, 255, 1])
  bytes.fill(value, block.offset, block.offset + block.bytes)
  return `${value} at ${block.offset}`
}

function swap(context: Context): string {
  const { bytes } = context
  const [one, other] = [pickBlock(context), pickBlock(context)]
  const length = Math.min(one.bytes, other.bytes)
  const kept = bytes.slice(one.offset, one.offset + length)
  bytes.copyWithin(one.offset, other.offset, other.offset + length)
  bytes.set(kept, other.offset)
  return `${one.offset} and ${other.offset}`
}

/** A write was lost: one block is as it was at an earlier time. */
function stale(context: Context): string {
  const { base, bytes, random } = context
  if (base.earlier.length === 0) return 'nothing'
  const then = random.pick(base.earlier)
  const block = pickBlock(context)
  put(bytes, then, block)
  return `${block.offset}`
}

/** A write was torn: a part of a block is as it was at an earlier time. */
function torn(context: Context): string {
  const { base, bytes, random } = context
  if (base.earlier.length === 0) return 'nothing'
  const then = random.pick(base.earlier)
  const block = pickBlock(context)
  const first = random.below(block.bytes)
  put(bytes, then, { offset: block.offset, bytes: first })
  return `${block.offset} to ${block.offset + first}`
}

/** Many writes were lost, as with a cache: all slots, all of the log, or any blocks are as they were. */
function rollback({ base, bytes, places, random }: Context): string {
  if (base.earlier.length === 0) return 'nothing'
  const then = random.pick(base.earlier)
  const { slots, data } = places
  const blocks = random.pick([slots, slots.slice(0, 2), slots.slice(2), data, [...slots, ...data]])
  const chance = random.pick([1, 1, 0.5])
  const some = blocks.filter(() => random.chance(chance))
  for (const block of some) put(bytes, then, block)
  return `${some.length} blocks`
}

function foreign(context: Context): string {
  const { base, bytes, places, random } = context
  const blocks = random.chance(0.2) ? places.data : [pickBlock(context)]
  for (const block of blocks) put(bytes, base.foreign, block)
  return `${blocks.length} blocks from ${blocks[0]?.offset}`
}

function misdirected(context: Context): string {
  const { bytes } = context
  const [from, to] = [pickBlock(context), pickBlock(context)]
  const length = Math.min(from.bytes, to.bytes)
  bytes.copyWithin(to.offset, from.offset, from.offset + length)
  return `${from.offset} to ${to.offset}`
}

function put(bytes: Uint8Array, from: Uint8Array, { offset, bytes: length }: Range): void {
  bytes.set(from.subarray(offset, offset + length), offset)
}

function resized(bytes: Uint8Array, { sectorSize }: Shape, random: Random): Uint8Array {
  const sectors = bytes.length / sectorSize
  const now = random.chance(0.8) ? random.below(sectors) : sectors + random.between(1, 16)
  const image = new Uint8Array(now * sectorSize)
  image.set(bytes.subarray(0, image.length))
  return image
}
