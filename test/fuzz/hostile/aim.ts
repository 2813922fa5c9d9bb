import { crc32c } from '../../../src/checksum/crc32c.ts'
import { type BatchHeader, batchEnd, encodeBatch } from '../../../src/ring/format2/disk/batch.ts'
import { viewOf } from '../../../src/ring/format2/disk/bytes.ts'
import { cursorAt } from '../../../src/ring/format2/disk/cursor.ts'
import { encodeGuard } from '../../../src/ring/format2/disk/guard.ts'
import { type Layout, makeLayout, searchBlocks } from '../../../src/ring/format2/disk/layout.ts'
import { type LogPosition, ORIGIN } from '../../../src/ring/format2/disk/log-position.ts'
import {
  type ConsumerSlot,
  encodeConsumerSlot,
  encodeProducerSlot,
  type ProducerSlot,
} from '../../../src/ring/format2/disk/slots.ts'
import { encodeSuperblock, type Superblock } from '../../../src/ring/format2/disk/superblock.ts'
import type { Random } from '../../../src/sim/world/random.ts'
import { type Composed, keyOf } from './compose2.ts'
import { SparseImage } from './image.ts'

const BLOCK = 4096
const SMALL_BYTES = 256 * 1024
const LARGE_BYTES = 2 ** 30
/** As far as numbers are exact. */
const HUGE = 2 ** 52
const EPOCH = 3

type Pair<T> = readonly [T, T]

/** A small ring as producers and consumers leave it, of which one thing is made wrong. */
class Target {
  readonly image: SparseImage
  readonly layout: Layout
  readonly ring: Superblock
  readonly items = new Set<string>()
  /** Where the log begins, and after each batch. */
  readonly logPositions: LogPosition[] = [ORIGIN]
  readonly #random: Random

  constructor(random: Random, deviceBytes: number) {
    this.#random = random
    this.image = new SparseImage(512, deviceBytes)
    this.layout = makeLayout(BLOCK, deviceBytes, 'aimed at')
    const { superblocks, dataOffset, dataBlocks } = this.layout
    const uuid = Uint8Array.from({ length: 16 }, () => random.below(256))
    const lies = { deviceBytes, dataOffset, dataBlocks }
    this.ring = { uuid, blockSize: BLOCK, ...lies, overwrites: false, name: 'aimed at' }
    this.image.at(0, superblocks[0]).set(encodeGuard())
    for (const offset of superblocks) this.superblock(offset, this.ring)
    this.batch(2)
    this.batch(random.between(1, 3))
  }

  get tail(): LogPosition {
    return this.logPositions.at(-1) as LogPosition
  }

  superblock(offset: number, ring: Superblock): void {
    encodeSuperblock(this.image.at(offset, BLOCK), offset, ring)
  }

  /** Adds a batch of items to the log. */
  batch(count: number, fields: Partial<BatchHeader> = {}): BatchHeader {
    const random = this.#random
    const items = Array.from({ length: count }, () =>
      Uint8Array.from({ length: random.between(1, 900) }, () => random.below(256)),
    )
    for (const item of items) this.items.add(keyOf(item))
    const start = fields.start ?? this.tail
    const honest = { start, epoch: EPOCH, committedTo: start.seq + count, time: 0 }
    const bytes = this.image.at(this.#offsetOf(start), BLOCK)
    const header = encodeBatch(bytes, items, { ...honest, ...fields }, crc32c(this.ring.uuid))
    this.logPositions.push(batchEnd(header, BLOCK))
    return header
  }

  /** Has the last batch claim what is not there. */
  claim(records: number, bodyBytes: number): void {
    const bytes = this.image.at(this.#offsetOf(this.logPositions.at(-2) as LogPosition), BLOCK)
    const view = viewOf(bytes)
    view.setUint32(64, records, true)
    view.setUint32(68, bodyBytes, true)
    view.setUint32(80, bodyBytes, true)
    view.setUint32(72, crc32c(bytes.subarray(80, 88)), true)
    view.setUint32(4, crc32c(bytes.subarray(8, 80)), true)
  }

  #offsetOf({ lsn }: LogPosition): number {
    const { dataOffset, dataBlocks } = this.layout
    return dataOffset + (lsn % dataBlocks) * BLOCK
  }

  /** Writes what both roles say, the older slot first, where it is not what they said when all was well. */
  slots({
    producer = [{}, {}],
    consumer = [{}, {}],
  }: {
    readonly producer?: Pair<Partial<ProducerSlot>>
    readonly consumer?: Pair<Partial<ConsumerSlot>>
  }): void {
    const { uuid } = this.ring
    for (const which of [0, 1] as const) {
      const shared = { generation: 5 + which, time: 0, text: 'aimed at' }
      const epochs = [{ epoch: EPOCH, start: ORIGIN, span: 0 }]
      const place = { committed: this.tail, reach: 0, epochs, truncatedTo: ORIGIN }
      const counts = { suspendAck: false, commits: 2, fullPushes: 0 }
      const at = this.layout.producerSlots[which]
      const said = { ...shared, ...place, ...counts, ...producer[which] }
      encodeProducerSlot(this.image.at(at, BLOCK), at, uuid, said)
      const cursor = { cursor: cursorAt(ORIGIN), seen: EPOCH }
      const losses = { suspend: false, damagedItems: 0, missedItems: 0 }
      const offset = this.layout.consumerSlots[which]
      const heard = { ...shared, ...cursor, ...losses, ...consumer[which] }
      encodeConsumerSlot(this.image.at(offset, BLOCK), offset, uuid, heard)
    }
  }
}

/** What must come of an image. */
type Expected = NonNullable<Composed['expected']>

interface Aim {
  readonly name: string
  readonly deviceBytes: number
  readonly hurt: (target: Target, random: Random) => Expected
}

const DAMAGED: Expected = { sound: false }
/** So damaged that no role can attach. */
const REFUSED: Expected = { sound: false, refused: true }
/** Nothing is wrong, but there is much to be looked at. */
const ANYTHING: Expected = {}

const AIMS: readonly Aim[] = [
  {
    name: 'a table that claims too much',
    deviceBytes: LARGE_BYTES,
    hurt: (target, random) => {
      target.batch(1)
      target.claim(random.pick([3, 5, 15, 120]) * 2 ** 20, 0)
      target.slots({})
      return DAMAGED
    },
  },
  {
    name: 'an item that claims too much',
    deviceBytes: LARGE_BYTES,
    hurt: (target, random) => {
      target.batch(1)
      target.claim(1, random.pick([25 * 2 ** 20, 2 ** 26, 2 ** 29]))
      target.slots({})
      return ANYTHING
    },
  },
  {
    name: 'a reach over all of a large device',
    deviceBytes: LARGE_BYTES,
    hurt: (target, random) => {
      const { dataBlocks } = target.layout
      const reach = target.tail.lsn + dataBlocks - random.below(100)
      target.slots({ producer: [{ reach }, { reach }] })
      return ANYTHING
    },
  },
  {
    name: 'a place far behind the last batch',
    deviceBytes: LARGE_BYTES,
    hurt: (target, random) => {
      const lsn = target.layout.dataBlocks - random.between(2, 100)
      const committed = { ...target.tail, lsn, seq: target.tail.seq + random.below(3) }
      target.slots({ producer: [{ committed }, { committed }] })
      return ANYTHING
    },
  },
  {
    name: 'a producer that went back',
    deviceBytes: SMALL_BYTES,
    hurt: (target) => {
      target.slots({ producer: [{}, { committed: target.logPositions[1] as LogPosition }] })
      return REFUSED
    },
  },
  {
    name: 'a consumer that went back',
    deviceBytes: SMALL_BYTES,
    hurt: (target) => {
      const cursor = cursorAt(target.logPositions[1] as LogPosition)
      target.slots({ consumer: [{ cursor }, {}] })
      return REFUSED
    },
  },
  {
    name: 'more items committed than batches hold',
    deviceBytes: SMALL_BYTES,
    hurt: (target, random) => {
      const { tail } = target
      const committed = { ...tail, seq: tail.seq + random.between(1, 300) }
      const wrong = { committed, ...random.pick([{}, { reach: committed.lsn + 1 }]) }
      target.slots({ producer: [wrong, wrong] })
      return { ...DAMAGED, items: target.items.size }
    },
  },
  {
    name: 'counts of a producer that cannot be',
    deviceBytes: SMALL_BYTES,
    hurt: (target, random) => {
      const { tail } = target
      const most = ((tail.lsn + 1) * BLOCK) / 8
      // All that a slot says is at one place, or its marks would not lead to each other.
      const at = (committed: LogPosition): Partial<ProducerSlot> => {
        return {
          committed,
          truncatedTo: committed,
          epochs: [{ epoch: EPOCH, start: committed, span: 0 }],
        }
      }
      const wrong = random.pick<Partial<ProducerSlot>>([
        at({ ...tail, seq: Math.floor(most) + 1 }),
        at({ ...tail, seq: HUGE }),
        { commits: HUGE },
        { epochs: [{ epoch: HUGE, start: ORIGIN, span: 0 }] },
      ])
      target.slots({ producer: [wrong, wrong] })
      return REFUSED
    },
  },
  {
    name: 'counts of a consumer that cannot be',
    deviceBytes: SMALL_BYTES,
    hurt: (target, random) => {
      const wrong: Partial<ConsumerSlot> = random.pick([
        { cursor: cursorAt({ ...ORIGIN, seq: BLOCK }) },
        { damagedItems: HUGE },
        { missedItems: HUGE },
        { cursor: { ...cursorAt(ORIGIN), bytes: HUGE } },
      ])
      target.slots({ consumer: [wrong, wrong] })
      return REFUSED
    },
  },
  {
    name: 'a reach that cannot be',
    deviceBytes: SMALL_BYTES,
    hurt: (target, random) => {
      const { layout, tail } = target
      const farthest = tail.lsn + layout.dataBlocks + searchBlocks(layout)
      const reach = random.pick([farthest + 1, 2 ** 51])
      target.slots({ producer: [{ reach }, { reach }] })
      return REFUSED
    },
  },
  {
    name: 'an epoch or a truncation behind what is committed',
    deviceBytes: SMALL_BYTES,
    hurt: (target, random) => {
      const behind = { ...target.tail, lsn: target.tail.lsn + 1 }
      const wrong: Partial<ProducerSlot> = random.pick([
        { truncatedTo: behind },
        { epochs: [{ epoch: EPOCH, start: behind, span: 0 }] },
      ])
      target.slots({ producer: [wrong, wrong] })
      return REFUSED
    },
  },
  {
    name: 'epochs in another order',
    deviceBytes: SMALL_BYTES,
    hurt: (target) => {
      const older = { epoch: EPOCH, start: ORIGIN, span: 0 }
      const epochs = [{ epoch: EPOCH + 1, start: target.tail, span: 0 }, older]
      target.slots({ producer: [{ epochs }, { epochs }] })
      return REFUSED
    },
  },
  {
    name: 'epochs that count back, and no slots of a producer',
    deviceBytes: SMALL_BYTES,
    hurt: (target) => {
      const { lsn, seq } = target.tail
      target.slots({})
      const start = { lsn, seq: seq + 400, bytes: 0, crc: 9 }
      target.batch(1, { start, epoch: EPOCH + 1, committedTo: seq + 401 })
      const back = { ...start, lsn: lsn + 1, seq }
      target.batch(1, { start: back, epoch: EPOCH + 2, committedTo: seq + 1 })
      for (const at of target.layout.producerSlots) target.image.at(at, BLOCK).fill(0)
      return DAMAGED
    },
  },
  {
    name: 'a superblock that names other places',
    deviceBytes: SMALL_BYTES,
    hurt: (target, random) => {
      // One of each role's slots lies there.
      const blockSize = 8192
      const [, offset] = makeLayout(blockSize, SMALL_BYTES, 'other').superblocks
      const uuid = Uint8Array.from({ length: 16 }, () => random.below(256))
      const { ring } = target
      const wrong = random.pick<Partial<Superblock>>([
        { dataOffset: ring.dataOffset + BLOCK },
        { dataBlocks: ring.dataBlocks - 1 },
        { deviceBytes: ring.deviceBytes - BLOCK },
      ])
      target.slots({})
      const other = { ...ring, uuid, blockSize, ...wrong }
      encodeSuperblock(target.image.at(offset, blockSize), offset, other)
      for (const at of target.layout.superblocks.slice(0, 2)) target.image.at(at, BLOCK).fill(0)
      return { ...DAMAGED, items: target.items.size }
    },
  },
  {
    name: 'a superblock of a ring of larger blocks in the data area',
    deviceBytes: 2 ** 21,
    hurt: (target, random) => {
      const blockSize = 32_768
      const { superblocks, dataOffset, dataBlocks } = makeLayout(blockSize, 2 ** 21, 'other')
      const uuid = Uint8Array.from({ length: 16 }, () => random.below(256))
      target.slots({})
      const [, offset] = superblocks
      const other = { ...target.ring, uuid, blockSize, dataOffset, dataBlocks }
      encodeSuperblock(target.image.at(offset, blockSize), offset, other)
      for (const at of target.layout.superblocks.slice(0, 2)) target.image.at(at, BLOCK).fill(0)
      return { ...DAMAGED, items: target.items.size }
    },
  },
  {
    name: 'a superblock of another ring in place of one',
    deviceBytes: SMALL_BYTES,
    hurt: (target, random) => {
      const uuid = Uint8Array.from({ length: 16 }, () => random.below(256))
      target.slots({})
      target.superblock(random.pick(target.layout.superblocks), { ...target.ring, uuid })
      return REFUSED
    },
  },
]

/** Writes a ring with one thing wrong: each is aimed at one rule, which fields at random meet too seldom. */
export function aim(random: Random): Composed {
  const { name, deviceBytes, hurt } = random.pick(AIMS)
  const target = new Target(random, deviceBytes)
  const expected = hurt(target, random)
  const { image, items } = target
  return { image, format: 2, items, isHonest: false, expected, story: [`aimed: ${name}`] }
}
