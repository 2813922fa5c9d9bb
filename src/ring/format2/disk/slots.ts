import type { FieldSpec } from '../../report/dump.ts'
import {
  type BadBlock,
  bad,
  blockFields,
  CONSUMER_SLOT,
  isBad,
  openBlock,
  PRODUCER_SLOT,
  sealBlock,
} from './block.ts'
import { viewOf } from './bytes.ts'
import { type Cursor, itemsBefore } from './cursor.ts'
import { areAscending, currentEpoch, type Epoch } from './epochs.ts'
import { BLOCK_SIZES, type Layout, searchBlocks } from './layout.ts'
import {
  isCount,
  isLogPosition,
  isUpTo,
  type LogPosition,
  leadsTo,
  logPosition,
  MAX_COUNT,
} from './log-position.ts'
import { field, flag, shownIn, struct, timestamp, u16, u32, u64, utf8 } from './struct.ts'

const TEXT_BYTES = 64
const MAX_EPOCHS = 96

const PRODUCER = struct({
  committed: field('committed', 72, logPosition),
  suspendAck: field('suspend_ack', 108, flag),
  reach: field('reach', 120, u64),
  time: field('time', 128, timestamp),
  commits: field('commits', 136, u64),
  fullPushes: field('full pushes', 144, u64),
  truncatedTo: field('truncated to', 152, logPosition),
  text: field('text', 184, utf8(TEXT_BYTES, 112)),
})

/** The head of a producer slot's list of epochs, whose entries begin at `EPOCHS_AT`. */
const EPOCH_LIST = struct({
  newest: field('epoch', 64, u64),
  count: field('number of epochs', 110, u16),
})
const EPOCHS_AT = 248
const EPOCH_BYTES = 40
const EPOCH = struct({
  epoch: field('', 0, u64),
  start: field('start', 8, logPosition),
  span: field('span', 36, u32),
})

const CURSOR = struct({
  logPosition: field('cursor', 72, logPosition),
  index: field('index in the batch', 104, u32),
  bytes: field('bytes before', 120, u64),
})
const CONSUMER = struct({
  seen: field('seen epoch', 64, u64),
  suspend: field('suspend', 108, flag),
  time: field('time', 128, timestamp),
  damagedItems: field('damaged items', 136, u64),
  missedItems: field('missed items', 144, u64),
  text: field('text', 184, utf8(TEXT_BYTES, 112)),
})

/** The fields of a consumer slot, for a dump. */
export function consumerSlotFields(): readonly FieldSpec[] {
  return blockFields(CURSOR, CONSUMER)
}

/** The fields of a producer slot, with the number of epochs that it claims, for a dump. */
export function producerSlotFields(block: Uint8Array): readonly FieldSpec[] {
  const room = Math.floor((block.length - EPOCHS_AT) / EPOCH_BYTES)
  const count = room > 0 ? EPOCH_LIST.get(viewOf(block)).count : 0
  const epochs = Array.from({ length: Math.min(count, room) }, (_, index) =>
    shownIn(EPOCH, `epoch ${index + 1}`, epochAt(index)),
  )
  return [...blockFields(PRODUCER, EPOCH_LIST), ...epochs.flat()]
}

function epochAt(index: number): number {
  return EPOCHS_AT + index * EPOCH_BYTES
}

/** Slots are compared without the layout of their ring, so only what is impossible in every ring is refused. */
const LARGEST_BLOCK = Math.max(...BLOCK_SIZES)

function impossible(counts: readonly number[], { lsn, seq, bytes }: LogPosition): BadBlock {
  const found = `${counts.join(', ')}; LSN ${lsn}, seq ${seq}, bytes ${bytes}`
  return bad('counts', `numbers below ${MAX_COUNT} that fit each other`, found)
}

/** The content of a producer slot. Of the two, the one with the higher generation counts. */
export interface ProducerSlot {
  readonly generation: number
  /** A checkpoint: everything before it is committed, and recovery finds the rest from here. */
  readonly committed: LogPosition
  /** If more is uncommitted than recovery would search, all batches begin before this LSN; else 0. */
  readonly reach: number
  readonly epochs: readonly Epoch[]
  /** In a ring that overwrites, items before this log position are given up. */
  readonly truncatedTo: LogPosition
  readonly suspendAck: boolean
  /** Write time, in milliseconds since 1970, by the writer's clock. */
  readonly time: number
  /** Count of batches that committed something. */
  readonly commits: number
  /** Count of pushes refused because the ring was full. */
  readonly fullPushes: number
  readonly text: string
}

/** The content of a consumer slot. */
export interface ConsumerSlot {
  readonly generation: number
  /** The next item; everything before it is acknowledged. */
  readonly cursor: Cursor
  /** The newest epoch that the cursor takes into account. */
  readonly seen: number
  readonly suspend: boolean
  /** Count of items that were damaged and skipped. */
  readonly damagedItems: number
  /** Count of items that were overwritten before they were popped. */
  readonly missedItems: number
  /** Write time, in milliseconds since 1970, by the writer's clock. */
  readonly time: number
  readonly text: string
}

/** A slot as read: its content, or the reason why it is invalid. */
export type Read<Slot> = Slot | BadBlock

/** Both slots of both roles. */
export interface Slots {
  readonly producer: readonly [Read<ProducerSlot>, Read<ProducerSlot>]
  readonly consumer: readonly [Read<ConsumerSlot>, Read<ConsumerSlot>]
}

/** Selects one of a role's two slots. */
export type SlotIndex = 0 | 1

/** The number of epochs that fit into a producer slot. */
export function maxEpochs(blockSize: number): number {
  return Math.min(MAX_EPOCHS, Math.floor((blockSize - EPOCHS_AT) / EPOCH_BYTES))
}

export function encodeProducerSlot(
  block: Uint8Array,
  offset: number,
  uuid: Uint8Array,
  slot: ProducerSlot,
): void {
  block.fill(0)
  const view = viewOf(block)
  const { epochs } = slot
  EPOCH_LIST.put(view, { newest: epochs.at(-1)?.epoch ?? 0, count: epochs.length })
  PRODUCER.put(view, slot)
  epochs.forEach((epoch, index) => {
    EPOCH.put(view, epoch, epochAt(index))
  })
  sealBlock(block, { type: PRODUCER_SLOT, offset, uuid, generation: slot.generation })
}

export function parseProducerSlot(
  block: Uint8Array,
  offset: number,
  uuid: Uint8Array,
  layout: Layout,
): ProducerSlot | BadBlock {
  const header = openBlock(block, PRODUCER_SLOT, offset, uuid)
  if (isBad(header)) return header
  const view = viewOf(block)
  const { count } = EPOCH_LIST.get(view)
  if (count < 1 || count > maxEpochs(block.length)) {
    return bad('number of epochs', `1 to ${maxEpochs(block.length)}`, String(count))
  }
  const epochs = Array.from({ length: count }, (_, index) => EPOCH.get(view, epochAt(index)))
  const slot = { generation: header.generation, epochs, ...PRODUCER.get(view) }
  return producerSlotMisfit(slot, layout) ?? slot
}

/** Refuses values that no producer writes. Readers and writers apply the same rule. */
export function producerSlotMisfit(slot: ProducerSlot, layout: Layout): BadBlock | undefined {
  const { generation, committed, reach, epochs, truncatedTo, commits, fullPushes } = slot
  const numbers = [generation, reach, commits, fullPushes, ...epochs.map(({ epoch }) => epoch)]
  const logPositions = [committed, truncatedTo, ...epochs.map(({ start }) => start)]
  const wrong = logPositions.find((logPosition) => !isLogPosition(logPosition, layout.blockSize))
  if (wrong !== undefined || !numbers.every(isCount)) return impossible(numbers, wrong ?? committed)
  const { start } = currentEpoch(epochs)
  const stray = [truncatedTo, start].find((from) => !leadsTo(from, committed, layout.blockSize))
  if (stray !== undefined) {
    const expected = `one that leads to the checkpoint at LSN ${committed.lsn}, seq ${committed.seq}`
    return bad('log position', expected, `LSN ${stray.lsn}, seq ${stray.seq}`)
  }
  if (!areAscending(epochs, layout.blockSize))
    return bad('epochs', 'ascending ones', epochs.map(({ epoch }) => epoch).join(', '))
  const farthest = committed.lsn + layout.dataBlocks + searchBlocks(layout)
  return reach <= farthest ? undefined : bad('reach', `at most ${farthest}`, String(reach))
}

export function encodeConsumerSlot(
  block: Uint8Array,
  offset: number,
  uuid: Uint8Array,
  slot: ConsumerSlot,
): void {
  block.fill(0)
  const view = viewOf(block)
  CURSOR.put(view, slot.cursor)
  CONSUMER.put(view, slot)
  sealBlock(block, { type: CONSUMER_SLOT, offset, uuid, generation: slot.generation })
}

export function parseConsumerSlot(
  block: Uint8Array,
  offset: number,
  uuid: Uint8Array,
  layout: Layout,
): ConsumerSlot | BadBlock {
  const header = openBlock(block, CONSUMER_SLOT, offset, uuid)
  if (isBad(header)) return header
  const view = viewOf(block)
  const { generation } = header
  const slot = { generation, cursor: CURSOR.get(view), ...CONSUMER.get(view) }
  return consumerSlotMisfit(slot, layout) ?? slot
}

/** As `producerSlotMisfit`. */
export function consumerSlotMisfit(slot: ConsumerSlot, layout: Layout): BadBlock | undefined {
  const { generation, cursor, seen, damagedItems, missedItems } = slot
  const numbers = [generation, cursor.bytes, seen, damagedItems, missedItems, itemsBefore(cursor)]
  const possible = isLogPosition(cursor.logPosition, layout.blockSize) && numbers.every(isCount)
  return possible ? undefined : impossible(numbers, cursor.logPosition)
}

/**
 * The reason why two valid slots cannot both come from one producer, whatever the storage lost: log positions and
 * epochs only grow.
 */
export function producerSlotsMisfit(
  older: ProducerSlot,
  newer: ProducerSlot,
): BadBlock | undefined {
  const before = currentEpoch(older.epochs).epoch
  const after = currentEpoch(newer.epochs).epoch
  if (after < before) return bad('slots', `an epoch from ${before} on in the newer one`, `${after}`)
  if (after > before || leadsTo(older.committed, newer.committed, LARGEST_BLOCK)) return undefined
  const { lsn } = older.committed
  return bad(
    'slots',
    `a checkpoint from LSN ${lsn} on in the newer one`,
    `LSN ${newer.committed.lsn}`,
  )
}

/** As `producerSlotsMisfit`. */
export function consumerSlotsMisfit(
  older: ConsumerSlot,
  newer: ConsumerSlot,
): BadBlock | undefined {
  if (newer.seen < older.seen) {
    return bad('slots', `epoch ${older.seen} or later seen in the newer one`, String(newer.seen))
  }
  const [before, after] = [older.cursor.logPosition, newer.cursor.logPosition]
  if (newer.seen > older.seen || isUpTo(before, after)) return undefined
  return bad('slots', `a cursor from LSN ${before.lsn} on in the newer one`, `LSN ${after.lsn}`)
}
