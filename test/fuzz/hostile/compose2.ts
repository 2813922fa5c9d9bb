import { crc32c } from '../../../src/checksum/crc32c.ts'
import {
  type BatchHeader,
  batchBlocks,
  batchEnd,
  encodeBatch,
} from '../../../src/ring/format2/disk/batch.ts'
import { viewOf } from '../../../src/ring/format2/disk/bytes.ts'
import { cursorAt } from '../../../src/ring/format2/disk/cursor.ts'
import { encodeGuard } from '../../../src/ring/format2/disk/guard.ts'
import { type Layout, makeLayout, searchBlocks } from '../../../src/ring/format2/disk/layout.ts'
import { encodeLease } from '../../../src/ring/format2/disk/lease-block.ts'
import type { LogPosition } from '../../../src/ring/format2/disk/log-position.ts'
import {
  type ConsumerSlot,
  encodeConsumerSlot,
  encodeProducerSlot,
  maxEpochs,
  type ProducerSlot,
} from '../../../src/ring/format2/disk/slots.ts'
import { encodeSuperblock } from '../../../src/ring/format2/disk/superblock.ts'
import type { Random } from '../../../src/sim/world/random.ts'
import { SparseImage } from './image.ts'
import { hostileNumber } from './numbers.ts'

/** A device that seems to hold a ring, and what may come out of it. */
export interface Composed {
  readonly image: SparseImage
  readonly format: 1 | 2
  /** Every item that was put into it, as `keyOf` has it. */
  readonly items: ReadonlySet<string>
  /** Whether producers and consumers could have left it so. */
  readonly isHonest: boolean
  /** What must come of it, where that is known. */
  readonly expected?: {
    /** Whether it is to be called sound. */
    readonly sound?: boolean
    /** Whether no role may attach. */
    readonly refused?: boolean
    /** How many items a consumer gets. */
    readonly items?: number
  }
  /** What is on it, for people. */
  readonly story: readonly string[]
}

/** What an item is known by. */
export function keyOf(item: Uint8Array): string {
  return `${item.length} ${crc32c(item)}`
}

const KIB = 1024
/** A table of so many items without a byte, which costs a sparse device nothing. */
const EMPTY_ITEMS = [1000, 100_000, 524_200] as const
/** A large item of zeroes, which costs nothing either. */
const LARGE_BYTES = [(1 << 20) - 1, 1 << 24, (1 << 24) + 1] as const

/** What deviates from an honest ring. `honest` is a ring that producers and consumers could have left. */
const DEVIATIONS = ['honest', 'slots', 'batches', 'superblocks', 'all'] as const

/** Writes a ring of format 2 from nothing, with checksums that hold. */
export function compose2(random: Random): Composed {
  const blockSize = random.pick([512, 512, 512, 1024, 4096, 65_536])
  const sectorSize = random.pick([512, 512, 4096].filter((size) => size <= blockSize))
  const { dataOffset } = makeLayout(blockSize, 1 << 30, 'large')
  const unit = Math.max(4096, blockSize)
  const small = dataOffset + (1 + random.between(4, 12)) * unit + 512 * random.below(3)
  const deviceBytes = random.weighted([
    [75, small],
    [10, (1 << 20) + small],
    [5, 2 ** 30],
    [5, 2 ** 36],
    [5, 2 ** 40],
  ])
  const image = new SparseImage(sectorSize, deviceBytes)
  const deviates = random.pick(DEVIATIONS)
  return new Composer(
    random,
    image,
    makeLayout(blockSize, image.deviceBytes, 'composed'),
    deviates,
  ).compose()
}

class Composer {
  readonly #random: Random
  readonly #image: SparseImage
  readonly #layout: Layout
  readonly #deviates: (typeof DEVIATIONS)[number]
  readonly #uuid: Uint8Array
  readonly #overwrites: boolean
  readonly #items = new Set<string>()
  readonly #story: string[]

  constructor(
    random: Random,
    image: SparseImage,
    layout: Layout,
    deviates: (typeof DEVIATIONS)[number],
  ) {
    this.#random = random
    this.#image = image
    this.#layout = layout
    this.#deviates = deviates
    this.#uuid = Uint8Array.from({ length: 16 }, () => random.below(256))
    this.#overwrites = random.chance(0.2)
    const { blockSize, dataBlocks } = layout
    this.#story = [`composed, ${deviates}, ${blockSize}/${image.sectorSize}, ${dataBlocks} blocks`]
  }

  compose(): Composed {
    const image = this.#image
    this.#guard()
    this.#superblocks()
    const log = this.#log()
    this.#slots(log)
    this.#leases()
    const isHonest = this.#deviates === 'honest'
    return { image, format: 2, items: this.#items, isHonest, story: this.#story }
  }

  #isOdd(what: (typeof DEVIATIONS)[number], chance: number): boolean {
    return (this.#deviates === what || this.#deviates === 'all') && this.#random.chance(chance)
  }

  #number(near: number, ...bounds: readonly number[]): number {
    const { dataBlocks, blockSize } = this.#layout
    return hostileNumber(this.#random, near, [dataBlocks, blockSize, ...bounds])
  }

  #guard(): void {
    const bytes = this.#image.at(0, this.#layout.superblocks[0])
    bytes.set(encodeGuard())
    if (!this.#isOdd('superblocks', 0.3)) return
    const from = this.#random.pick([0, 128, 512, 1024, 2048])
    bytes.fill(0, from, from + 512)
    this.#story.push(`no guard from ${from}`)
  }

  #superblocks(): void {
    const { superblocks, blockSize, dataOffset, dataBlocks } = this.#layout
    const { deviceBytes } = this.#image
    const ring = { uuid: this.#uuid, blockSize, deviceBytes, dataOffset, dataBlocks }
    const honest = { ...ring, overwrites: this.#overwrites, name: 'composed' }
    for (const offset of superblocks) {
      const odd = this.#isOdd('superblocks', 0.4)
      const field = this.#random.pick(['deviceBytes', 'dataOffset', 'dataBlocks'] as const)
      const value = this.#number(honest[field], deviceBytes + 4096, deviceBytes - 4096)
      if (odd) this.#story.push(`${field} ${value} at ${offset}`)
      encodeSuperblock(
        this.#image.at(offset, blockSize),
        offset,
        odd ? { ...honest, [field]: value } : honest,
      )
    }
  }

  /** Where the log begins. */
  #origin(): LogPosition {
    const { dataBlocks, blockSize } = this.#layout
    const random = this.#random
    const lsn = random.pick([
      0,
      0,
      dataBlocks - 2,
      7 * dataBlocks - 3,
      2 ** 51,
      2 ** 52 - dataBlocks,
    ])
    // The log begins with nothing before it, so no more than its blocks have room for.
    const most = (lsn * blockSize) / 8
    const seq = Math.min(2 ** 52, random.pick([0, lsn, Math.max(0, Math.floor(most) - 1)]))
    const bytes = random.pick([0, lsn, 2 ** 48 - 2]) % 2 ** 48
    return { lsn, seq, bytes: Math.min(bytes, lsn * blockSize), crc: lsn === 0 ? 0 : random.next() }
  }

  /** Writes batches, and answers where each begins, the last of these after them all. */
  #log(): {
    readonly logPositions: readonly LogPosition[]
    readonly epochs: ProducerSlot['epochs']
  } {
    const random = this.#random
    const origin = this.#origin()
    const logPositions: LogPosition[] = [origin]
    const epochs = [{ epoch: random.pick([1, 1, 5, 2 ** 51]), start: origin, span: 0 }]
    let logPosition = origin
    for (let left = random.below(8); left > 0; left--) {
      if (random.chance(0.2) && epochs.length < maxEpochs(this.#layout.blockSize)) {
        const last = epochs.at(-1) as (typeof epochs)[number]
        const next = { epoch: last.epoch + 1, start: logPosition, span: 0 }
        if (last.start.lsn === logPosition.lsn) epochs.pop()
        epochs.push(next)
      }
      const end = this.#batch(logPosition, epochs.at(-1)?.epoch ?? 1, origin)
      if (end === undefined) break
      logPosition = end
      logPositions.push(logPosition)
    }
    return { logPositions, epochs }
  }

  /** Writes a batch, if there is room for one. */
  #batch(logPosition: LogPosition, epoch: number, origin: LogPosition): LogPosition | undefined {
    const random = this.#random
    const { blockSize, dataBlocks } = this.#layout
    const most = Math.max(1, Math.min(Math.floor(dataBlocks / 4), (4 << 20) / blockSize))
    const room = dataBlocks - (logPosition.lsn - origin.lsn) - 2
    const kind = random.weighted<'items' | 'marker' | 'empty' | 'large' | 'gap'>([
      [70, 'items'],
      [10, 'marker'],
      [this.#deviates === 'honest' ? 0 : 10, 'gap'],
      [3, 'empty'],
      [3, 'large'],
    ])
    // A producer refuses what it could not go on from.
    if (room < 1 || logPosition.lsn + dataBlocks >= 2 ** 52) return undefined
    if (kind === 'gap') return { ...logPosition, lsn: logPosition.lsn + 1 }
    const items = this.#itemsFor(kind, blockSize)
    if (logPosition.seq + items.length >= 2 ** 52) return undefined
    let bodyBytes = 0
    for (const item of items) bodyBytes += item.length
    const blocks = batchBlocks(items.length, bodyBytes, blockSize)
    if (blocks > room || (items.length > 1 && blocks > most)) return logPosition
    const bytes = new Uint8Array(blocks * blockSize)
    const fields = {
      start: this.#isOdd('batches', 0.1) ? this.#oddMark(logPosition) : logPosition,
      epoch: this.#isOdd('batches', 0.1) ? this.#number(epoch) : epoch,
      committedTo: this.#keepsUncommitted() ? logPosition.seq : logPosition.seq + items.length,
      time: this.#isOdd('batches', 0.1) ? this.#number(0) : 1_700_000_000_000,
    }
    if (this.#isOdd('batches', 0.1))
      fields.committedTo = this.#number(logPosition.seq + items.length)
    const header = encodeBatch(bytes, items, fields, crc32c(this.#uuid))
    for (const item of items) this.#items.add(keyOf(item))
    const forged = this.#isOdd('batches', 0.25) ? this.#forge(bytes, header) : header
    this.#place(logPosition.lsn, bytes)
    const end = batchEnd(forged, blockSize)
    return end.lsn - origin.lsn < dataBlocks
      ? { ...end, lsn: Math.max(end.lsn, logPosition.lsn + 1) }
      : undefined
  }

  /** A slot may call uncommitted items committed, which no producer does. */
  #keepsUncommitted(): boolean {
    return this.#deviates !== 'honest' && this.#random.chance(0.15)
  }

  #itemsFor(kind: 'items' | 'marker' | 'empty' | 'large', blockSize: number): Uint8Array[] {
    const random = this.#random
    if (kind === 'marker') return []
    if (kind === 'empty') return Array(random.pick(EMPTY_ITEMS)).fill(new Uint8Array(0))
    if (kind === 'large') return [new Uint8Array(random.pick(LARGE_BYTES))]
    return Array.from({ length: random.between(1, 4) }, () =>
      Uint8Array.from({ length: random.below(Math.min(8 * KIB, 1.3 * blockSize)) }, () =>
        random.below(256),
      ),
    )
  }

  /** Lets a header claim what is not there. */
  #forge(bytes: Uint8Array, header: BatchHeader): BatchHeader {
    const view = viewOf(bytes)
    const random = this.#random
    const { blockSize, dataBlocks } = this.#layout
    const area = Math.min(2 ** 32 - 1, dataBlocks * blockSize)
    const records = random.pick([
      header.itemCount,
      1,
      this.#number(header.itemCount, area / 8) % 2 ** 32,
    ])
    const bodyBytes = this.#number(header.bodyBytes, area - 88, area / 2, 1 << 24) % 2 ** 32
    view.setUint32(64, records, true)
    view.setUint32(68, bodyBytes, true)
    if (records === 1) {
      view.setUint32(80, bodyBytes, true)
      view.setUint32(72, crc32c(bytes.subarray(80, 88)), true)
    }
    const crc = crc32c(bytes.subarray(8, 80))
    view.setUint32(4, crc, true)
    this.#story.push(`batch at LSN ${header.start.lsn} claims ${records} items, ${bodyBytes} bytes`)
    return { ...header, itemCount: records, bodyBytes, crc }
  }

  #place(lsn: number, bytes: Uint8Array): void {
    const { blockSize, dataBlocks, dataOffset } = this.#layout
    for (let at = 0; at < bytes.length; at += blockSize) {
      const block = (lsn + at / blockSize) % dataBlocks
      const part = bytes.subarray(at, at + blockSize)
      // A sparse device keeps holes.
      if (part.some((byte) => byte !== 0)) {
        this.#image.at(dataOffset + block * blockSize, blockSize).set(part)
      }
    }
  }

  #oddMark(logPosition: LogPosition): LogPosition {
    const field = this.#random.pick(['lsn', 'seq', 'bytes', 'crc'] as const)
    const most = (logPosition.lsn + 1) * this.#layout.blockSize
    const bounds = [logPosition.lsn + searchBlocks(this.#layout), most / 8, most]
    const value = this.#number(logPosition[field], ...bounds)
    return { ...logPosition, [field]: field === 'crc' ? value % 2 ** 32 : value }
  }

  #slots({
    logPositions,
    epochs,
  }: {
    readonly logPositions: readonly LogPosition[]
    readonly epochs: ProducerSlot['epochs']
  }): void {
    const random = this.#random
    const { producerSlots, consumerSlots, blockSize } = this.#layout
    const started = epochs.at(-1)?.start.lsn ?? 0
    const ends = logPositions.filter(({ lsn }) => lsn >= started)
    const [origin] = logPositions as [LogPosition]
    const generation = random.pick([1, 7, 2 ** 51, 2 ** 52 - 4])
    const committed = [random.pick(ends), random.pick(ends)].sort(
      (one, other) => one.lsn - other.lsn,
    )
    const cursors = [random.pick(logPositions), random.pick(logPositions)].sort(
      (one, other) => one.lsn - other.lsn,
    )
    const flag = random.chance(0.1)
    for (const which of [0, 1] as const) {
      const producer: ProducerSlot = {
        ...{
          generation: generation + which,
          committed: committed[which] ?? origin,
          reach: 0,
          epochs,
        },
        ...{
          truncatedTo: this.#overwrites ? origin : { lsn: 0, seq: 0, bytes: 0, crc: 0 },
          suspendAck: flag,
        },
        ...{ time: 0, commits: 0, fullPushes: 0, text: 'composed' },
      }
      const offset = producerSlots[which]
      encodeProducerSlot(
        this.#image.at(offset, blockSize),
        offset,
        this.#uuid,
        this.#oddProducer(producer),
      )
      const cursor = cursors[which] ?? origin
      const consumer: ConsumerSlot = {
        ...{ generation: generation + which, cursor: cursorAt(cursor) },
        ...{ seen: epochs.findLast(({ start }) => start.lsn <= cursor.lsn)?.epoch ?? 1 },
        ...{ suspend: flag, damagedItems: 0, missedItems: 0, time: 0, text: 'composed' },
      }
      const at = consumerSlots[which]
      encodeConsumerSlot(this.#image.at(at, blockSize), at, this.#uuid, this.#oddConsumer(consumer))
    }
  }

  #oddProducer(slot: ProducerSlot): ProducerSlot {
    if (!this.#isOdd('slots', 0.5)) return slot
    const { committed, epochs, reach } = slot
    const change = this.#random.pick<() => Partial<ProducerSlot>>([
      () => ({ committed: this.#oddMark(committed) }),
      () => ({ committed: this.#far(committed) }),
      () => ({
        reach: this.#number(
          reach,
          committed.lsn + this.#layout.dataBlocks + searchBlocks(this.#layout),
        ),
      }),
      () => ({ truncatedTo: this.#oddMark(this.#random.pick([committed, slot.truncatedTo])) }),
      () => ({
        epochs: epochs.map((each) => ({
          ...each,
          span: this.#number(each.span, each.epoch) % 2 ** 32,
        })),
      }),
      () => ({ epochs: epochs.map((each) => ({ ...each, epoch: this.#number(each.epoch) })) }),
      () => ({ epochs: epochs.map((each) => ({ ...each, start: this.#oddMark(each.start) })) }),
      () => ({ generation: this.#number(slot.generation) }),
      () => ({ suspendAck: !slot.suspendAck }),
      () => ({ commits: this.#number(0), fullPushes: this.#number(0), time: this.#number(0) }),
    ])()
    this.#story.push(`producer slot: ${JSON.stringify(change)}`)
    return { ...slot, ...change }
  }

  #oddConsumer(slot: ConsumerSlot): ConsumerSlot {
    if (!this.#isOdd('slots', 0.5)) return slot
    const { cursor } = slot
    const change = this.#random.pick<() => Partial<ConsumerSlot>>([
      () => ({ cursor: { ...cursor, logPosition: this.#oddMark(cursor.logPosition) } }),
      () => ({ cursor: { ...cursor, logPosition: this.#far(cursor.logPosition) } }),
      () => ({ cursor: { ...cursor, index: this.#number(cursor.index) % 2 ** 32 } }),
      () => ({ cursor: { ...cursor, bytes: this.#number(cursor.bytes) } }),
      () => ({ seen: this.#number(slot.seen) }),
      () => ({ generation: this.#number(slot.generation) }),
      () => ({ suspend: !slot.suspend }),
      () => ({
        damagedItems: this.#number(0),
        missedItems: this.#number(0),
        time: this.#number(0),
      }),
    ])()
    this.#story.push(`consumer slot: ${JSON.stringify(change)}`)
    return { ...slot, ...change }
  }

  /** A place where there is nothing, though numbers fit each other. */
  #far(logPosition: LogPosition): LogPosition {
    const { dataBlocks } = this.#layout
    const more = this.#random.pick([1, dataBlocks - 1, dataBlocks, 10 * dataBlocks, 2 ** 51])
    return {
      ...logPosition,
      lsn: logPosition.lsn + more,
      seq: logPosition.seq + this.#random.pick([0, 1, more]),
    }
  }

  #leases(): void {
    const random = this.#random
    for (const offset of Object.values(this.#layout.leases)) {
      if (!random.chance(0.2)) continue
      const record = {
        ...{ status: random.pick(['held', 'free'] as const), confirmed: random.chance(0.5) },
        ...{ owner: random.pick(['host-1', 'x'.repeat(64)]), nonce: '0123456789abcdef' },
        ...{ epoch: 1, counter: 1, time: 0, timeoutMs: 30_000 },
        ...(this.#isOdd('slots', 0.5) && {
          ...{ epoch: this.#number(1), counter: this.#number(1), time: this.#number(0) },
          timeoutMs: this.#number(30_000, 5000, 3_600_000) % 2 ** 32,
        }),
      }
      encodeLease(this.#image.at(offset, this.#layout.blockSize), offset, this.#uuid, record)
      this.#story.push(`lease at ${offset}: ${record.status}`)
    }
  }
}
