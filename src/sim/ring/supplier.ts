import { crc32c } from '../../checksum/crc32c.ts'
import {
  BATCH_HEADER_BYTES,
  batchEnd,
  ENTRY_BYTES,
  encodeBatch,
  parseHeaderAt,
} from '../../ring/format2/disk/batch.ts'
import { cursorAt } from '../../ring/format2/disk/cursor.ts'
import { encodeGuard } from '../../ring/format2/disk/guard.ts'
import { BLOCK_SIZES, type Layout, makeLayout } from '../../ring/format2/disk/layout.ts'
import { type LogPosition, ORIGIN } from '../../ring/format2/disk/log-position.ts'
import { encodeConsumerSlot, encodeProducerSlot } from '../../ring/format2/disk/slots.ts'
import { encodeSuperblock } from '../../ring/format2/disk/superblock.ts'
import { fromPosition } from '../../ring/format2/position.ts'
import { Violation } from '../runs/violation.ts'
import type { Random } from '../world/random.ts'
import type { Shape, Sight } from './guarantees.ts'
import { ITEM_MIN_BYTES } from './oracle.ts'

// A supplier of items that sees all of the device, knows every rule, and chooses every byte of an item except the three
// by which the oracle knows it. It plants structures of a ring at each 512th byte of the batch that its items will be
// in: with the LSN, the epoch and the chain that belong there, on this lap or on the next; also one bit off, so that a
// flipped bit makes them valid; and words that rule out the masks that a naive choice would try first.

const BOUNDARY_BYTES = 512
/** The time in planted structures, by which they are recognised. */
const FORGED_TIME = 0x0bad_0bad_0bad
const FORGED_ID = 0xffffff
const FORGED_UUID: Uint8Array = new Uint8Array(16).fill(0x66)
/** Of all rings that the simulator makes. */
const RING_UUID: Uint8Array = new Uint8Array(16).fill(7)

/** Plants structures in items that are about to be pushed as one batch. */
export function plant(items: readonly Uint8Array[], sight: Sight, random: Random): void {
  const layout = layoutOf(sight.shape)
  const tail = tailOf(sight, layout)
  const front = BATCH_HEADER_BYTES + items.length * ENTRY_BYTES
  let start = front
  for (const item of items) {
    const end = start + item.length
    const first = Math.ceil((start + ITEM_MIN_BYTES) / BOUNDARY_BYTES) * BOUNDARY_BYTES
    for (let at = first; at < end; at += BOUNDARY_BYTES) {
      const room = item.subarray(at - start)
      const made = structure({ ...tail, at, layout }, room.length, random)
      if (random.chance(0.2)) flipOne(made, random)
      room.set(made.subarray(0, room.length))
    }
    // In the first block, too: right after the header and the table.
    if (item.length > BOUNDARY_BYTES / 2 && random.chance(0.3)) {
      const made = structure({ ...tail, at: 0, layout }, BOUNDARY_BYTES / 4, random)
      item.set(made.subarray(0, BOUNDARY_BYTES / 4), ITEM_MIN_BYTES)
    }
    start = end
  }
}

/** Where a structure is planted, and the state of the log there. */
interface Target {
  /** The batch that is about to be written. */
  readonly logPosition: LogPosition
  readonly epoch: number
  /** In bytes from that batch's start. */
  readonly at: number
  readonly layout: Layout
}

function structure(target: Target, room: number, random: Random): Uint8Array {
  const kind = random.pick([
    'batch',
    'batch',
    'batch',
    'superblock',
    'slot',
    'guard',
    'word',
  ] as const)
  if (kind === 'word') return Uint8Array.of(0x53 ^ random.below(4), 0x42, 0x52, random.below(256))
  if (kind === 'guard') return encodeGuard().subarray(0, Math.min(room, BOUNDARY_BYTES))
  if (kind === 'superblock') return superblock(target, random)
  return kind === 'slot' ? slot(target, random) : batch(target, random)
}

/** A batch that would be valid where it is, on this lap or a later one. */
function batch({ logPosition, epoch, at, layout }: Target, random: Random): Uint8Array {
  const { blockSize, dataBlocks } = layout
  const lsn = logPosition.lsn + Math.floor(at / blockSize) + dataBlocks * random.below(3)
  const seq = logPosition.seq + random.below(4)
  const start = { ...logPosition, lsn, seq, crc: random.pick([logPosition.crc, 0]) }
  const block = new Uint8Array(BOUNDARY_BYTES)
  const forged = Uint8Array.of(FORGED_ID & 255, (FORGED_ID >> 8) & 255, FORGED_ID >> 16, 1)
  const items = random.chance(0.7) ? [forged] : []
  const committedTo = seq + items.length
  const fields = { start, epoch: epoch + random.below(2), committedTo, time: FORGED_TIME }
  encodeBatch(block, items, fields, crc32c(RING_UUID))
  return block
}

function superblock({ logPosition, at, layout }: Target, random: Random): Uint8Array {
  const blockSize = random.pick(BLOCK_SIZES)
  const offset = deviceByte(logPosition, at, layout)
  const block = new Uint8Array(blockSize)
  const deviceBytes = layout.superblocks[2] + layout.blockSize
  encodeSuperblock(block, offset, {
    ...{ uuid: FORGED_UUID, blockSize, deviceBytes, overwrites: false, name: 'forged' },
    ...{ dataOffset: layout.dataOffset, dataBlocks: layout.dataBlocks },
  })
  return block
}

function slot({ logPosition, epoch, at, layout }: Target, random: Random): Uint8Array {
  const block = new Uint8Array(layout.blockSize)
  const offset = random.pick([
    deviceByte(logPosition, at, layout),
    ...layout.producerSlots,
    ...layout.consumerSlots,
  ])
  const rest = { generation: 2 ** 40, time: FORGED_TIME, text: 'forged' }
  if (random.chance(0.5)) {
    const epochs = [{ epoch: epoch + 1, start: logPosition, span: 0 }]
    const state = {
      committed: logPosition,
      reach: 0,
      epochs,
      truncatedTo: ORIGIN,
      suspendAck: true,
    }
    const counts = { commits: 0, fullPushes: 0 }
    encodeProducerSlot(block, offset, RING_UUID, { ...rest, ...state, ...counts })
  } else {
    const state = {
      cursor: cursorAt(logPosition),
      seen: epoch,
      suspend: true,
    }
    encodeConsumerSlot(block, offset, RING_UUID, {
      ...rest,
      ...state,
      damagedItems: 0,
      missedItems: 0,
    })
  }
  return block
}

function flipOne(bytes: Uint8Array, random: Random): void {
  const at = random.below(4)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
}

function deviceByte(
  { lsn }: LogPosition,
  at: number,
  { dataOffset, dataBlocks, blockSize }: Layout,
): number {
  return dataOffset + ((lsn * blockSize + at) % (dataBlocks * blockSize))
}

function layoutOf({ blockSize, sectorSize, sizeSectors }: Shape): Layout {
  return makeLayout(blockSize ?? sectorSize, sizeSectors * sectorSize, 'sim')
}

/** Where the next batch goes, with the chain up to there if its predecessor is visible. */
function tailOf(
  { image, producer }: Sight,
  layout: Layout,
): { logPosition: LogPosition; epoch: number } {
  const { epoch, seq } = fromPosition(producer.position)
  const lsn = Number(producer.logOffset) / layout.blockSize
  for (const header of headersIn(image, layout)) {
    const end = batchEnd(header, layout.blockSize)
    if (end.lsn === lsn && end.seq === seq) return { logPosition: end, epoch }
  }
  return { logPosition: { lsn, seq, bytes: 0, crc: 0 }, epoch }
}

function* headersIn(
  image: Uint8Array,
  layout: Layout,
): Generator<NonNullable<ReturnType<typeof parseHeaderAt>>> {
  const { dataOffset, dataBlocks, blockSize } = layout
  for (let index = 0; index < dataBlocks; index++) {
    const at = dataOffset + index * blockSize
    const block = image.subarray(at, at + blockSize)
    const header = parseHeaderAt(block, index, crc32c(RING_UUID), layout)
    if (header !== undefined) yield header
  }
}

/**
 * Checks that no planted structure is where one can begin: at no 512th byte of the device, whatever was torn. Nor may
 * one be there that is one bit off, unless a bit was flipped since.
 * @throws {Violation}
 */
export function checkUnplanted(image: Uint8Array, mayHaveFlipped: boolean): void {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const time = Uint8Array.from({ length: 6 }, (_, at) => (FORGED_TIME / 2 ** (8 * at)) & 255)
  for (let at = 0; at + BOUNDARY_BYTES <= image.length; at += BOUNDARY_BYTES) {
    const off = (view.getUint32(at, true) ^ 0x524253) & 0xffffff
    const near = off === 0 || (!mayHaveFlipped && (off & (off - 1)) === 0)
    const has = (offset: number, bytes: Uint8Array): boolean =>
      bytes.every((byte, index) => image[at + offset + index] === byte)
    if (near && (has(48, time) || has(128, time) || has(24, FORGED_UUID))) {
      throw new Violation(
        'forged',
        `byte ${at} of the device begins like a structure that an item held`,
      )
    }
  }
}
