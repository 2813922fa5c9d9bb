import type { Names } from '../../types.ts'
import {
  type BadBlock,
  BODY_AT,
  bad,
  CONSUMER_SLOT,
  isBad,
  openBlock,
  PRODUCER_SLOT,
  sealBlock,
} from './block.ts'
import { getU64, putTime, putU64, viewOf } from './bytes.ts'
import { areAscending, currentEpoch, type Epoch } from './epochs.ts'
import { BLOCK_SIZES, type Layout, searchBlocks } from './layout.ts'
import {
  getLogPosition,
  isCount,
  isLogPosition,
  isUpTo,
  LOG_POSITION_BYTES,
  type LogPosition,
  leadsTo,
  MAX_COUNT,
  putLogPosition,
} from './log-position.ts'

const EPOCH_AT = BODY_AT
const LOG_POSITION_AT = BODY_AT + 8
const INDEX_AT = BODY_AT + 40
const FLAG_AT = BODY_AT + 44
const COUNT_AT = BODY_AT + 46
const TEXT_LENGTH_AT = BODY_AT + 48
const REACH_AT = BODY_AT + 56
const BYTES_AT = BODY_AT + 56
const TIME_AT = BODY_AT + 64
const COMMITS_AT = BODY_AT + 72
const SKIPPED_AT = BODY_AT + 72
const RETRIES_AT = BODY_AT + 80
const MISSED_AT = BODY_AT + 80
const TRUNCATED_TO_AT = BODY_AT + 88
const TEXT_AT = BODY_AT + 120
const TEXT_BYTES = 64
const EPOCHS_AT = TEXT_AT + TEXT_BYTES
const EPOCH_BYTES = 8 + LOG_POSITION_BYTES + 4
const MAX_EPOCHS = 96

/** Slots are compared without their ring's layout: what is impossible in any ring is told. */
const LARGEST_BLOCK = Math.max(...BLOCK_SIZES)

const IMPOSSIBLE_COUNT = bad('counts', `numbers below ${MAX_COUNT} that fit each other`, 'others')

const encoder = new TextEncoder()
// A name may begin with any character, so also with what could be a mark of the encoding.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** What the producer says. The slot with the higher generation counts. */
export interface ProducerSlot {
  readonly generation: number
  /** A place up to which all was committed: a hint, from which the rest is found by reading on. */
  readonly committed: LogPosition
  /** Batches begin before this LSN if so much is held back that they are out of sight from there; else 0. */
  readonly reach: number
  readonly epochs: readonly Epoch[]
  /** In a ring that overwrites: what is before this place is given up. */
  readonly truncatedTo: LogPosition
  readonly suspendAck: boolean
  /** When it was written, in milliseconds since 1970, on the writer's clock. */
  readonly time: number
  /** Batches that committed something, so far. */
  readonly commits: number
  /** How often there was no room, so far. */
  readonly retries: number
  readonly text: string
}

/** What the consumer says. */
export interface ConsumerSlot {
  readonly generation: number
  /** The batch in which the next item is. */
  readonly cursor: LogPosition
  /** How many of its items were given back. */
  readonly index: number
  /** Bytes of items before the next one, as in a log position. */
  readonly bytes: number
  /** The newest epoch that the cursor takes into account. */
  readonly seen: number
  readonly suspend: boolean
  /** Items that were damaged and stepped over, in all. */
  readonly skipped: number
  /** Items that were overwritten before they were popped, in all. */
  readonly missed: number
  /** When it was written, in milliseconds since 1970, on the writer's clock. */
  readonly time: number
  readonly text: string
}

/** A slot as read: what it says, or why it cannot be believed. */
export type Read<Slot> = Slot | BadBlock

/** Both slots of both roles. */
export interface Slots {
  readonly producer: readonly [Read<ProducerSlot>, Read<ProducerSlot>]
  readonly consumer: readonly [Read<ConsumerSlot>, Read<ConsumerSlot>]
}

/** Which of a role's two slots. */
export type Which = 0 | 1

/** How many epochs a producer slot holds. */
export function maxEpochs(blockSize: number): number {
  return Math.min(MAX_EPOCHS, Math.floor((blockSize - EPOCHS_AT) / EPOCH_BYTES))
}

/** The names of a role, for people. */
export function slotText({ queue, client }: Names): string {
  return `${queue} used by ${client}`
}

export function encodeProducerSlot(
  block: Uint8Array,
  offset: number,
  uuid: Uint8Array,
  slot: ProducerSlot,
): void {
  block.fill(0)
  const view = viewOf(block)
  putU64(view, EPOCH_AT, slot.epochs.at(-1)?.epoch ?? 0)
  putLogPosition(view, LOG_POSITION_AT, slot.committed)
  putU64(view, REACH_AT, slot.reach)
  view.setUint8(FLAG_AT, slot.suspendAck ? 1 : 0)
  view.setUint16(COUNT_AT, slot.epochs.length, true)
  putTime(view, TIME_AT, slot.time)
  putU64(view, COMMITS_AT, slot.commits)
  putU64(view, RETRIES_AT, slot.retries)
  putLogPosition(view, TRUNCATED_TO_AT, slot.truncatedTo)
  putText(block, slot.text)
  slot.epochs.forEach(({ epoch, start, span }, index) => {
    const at = EPOCHS_AT + index * EPOCH_BYTES
    putU64(view, at, epoch)
    putLogPosition(view, at + 8, start)
    view.setUint32(at + 8 + LOG_POSITION_BYTES, span, true)
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
  const count = view.getUint16(COUNT_AT, true)
  if (count < 1 || count > maxEpochs(block.length)) {
    return bad('number of epochs', `1 to ${maxEpochs(block.length)}`, String(count))
  }
  const epochs = Array.from({ length: count }, (_, index) => {
    const at = EPOCHS_AT + index * EPOCH_BYTES
    return {
      epoch: getU64(view, at),
      start: getLogPosition(view, at + 8),
      span: view.getUint32(at + 8 + LOG_POSITION_BYTES, true),
    }
  })
  const slot: ProducerSlot = {
    generation: header.generation,
    committed: getLogPosition(view, LOG_POSITION_AT),
    reach: getU64(view, REACH_AT),
    epochs,
    truncatedTo: getLogPosition(view, TRUNCATED_TO_AT),
    suspendAck: view.getUint8(FLAG_AT) === 1,
    time: getU64(view, TIME_AT),
    commits: getU64(view, COMMITS_AT),
    retries: getU64(view, RETRIES_AT),
    text: getText(block),
  }
  return producerSlotMisfit(slot, layout) ?? slot
}

/** What no producer may say, and none writes: readers and writers go by the same rule. */
export function producerSlotMisfit(slot: ProducerSlot, layout: Layout): BadBlock | undefined {
  const { generation, committed, reach, epochs, truncatedTo, commits, retries } = slot
  const numbers = [generation, reach, commits, retries, ...epochs.map(({ epoch }) => epoch)]
  const logPositions = [committed, truncatedTo, ...epochs.map(({ start }) => start)]
  if (
    !logPositions.every((logPosition) => isLogPosition(logPosition, layout.blockSize)) ||
    !numbers.every(isCount)
  ) {
    return IMPOSSIBLE_COUNT
  }
  const { start } = currentEpoch(epochs)
  if (![truncatedTo, start].every((from) => leadsTo(from, committed, layout.blockSize))) {
    return bad(
      'log position',
      'a truncation and an epoch that lead to what is committed',
      'one that does not',
    )
  }
  if (!areAscending(epochs, layout.blockSize)) return bad('epochs', 'ascending ones', 'others')
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
  putU64(view, EPOCH_AT, slot.seen)
  putLogPosition(view, LOG_POSITION_AT, slot.cursor)
  view.setUint32(INDEX_AT, slot.index, true)
  view.setUint8(FLAG_AT, slot.suspend ? 1 : 0)
  putU64(view, BYTES_AT, slot.bytes)
  putU64(view, SKIPPED_AT, slot.skipped)
  putU64(view, MISSED_AT, slot.missed)
  putTime(view, TIME_AT, slot.time)
  putText(block, slot.text)
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
  const slot: ConsumerSlot = {
    generation: header.generation,
    cursor: getLogPosition(view, LOG_POSITION_AT),
    index: view.getUint32(INDEX_AT, true),
    bytes: getU64(view, BYTES_AT),
    seen: getU64(view, EPOCH_AT),
    suspend: view.getUint8(FLAG_AT) === 1,
    skipped: getU64(view, SKIPPED_AT),
    missed: getU64(view, MISSED_AT),
    time: getU64(view, TIME_AT),
    text: getText(block),
  }
  return consumerSlotMisfit(slot, layout) ?? slot
}

/** As `producerSlotMisfit`. */
export function consumerSlotMisfit(slot: ConsumerSlot, layout: Layout): BadBlock | undefined {
  const { generation, cursor, index, bytes, seen, skipped, missed } = slot
  const numbers = [generation, bytes, seen, skipped, missed, cursor.seq + index]
  const possible = isLogPosition(cursor, layout.blockSize) && numbers.every(isCount)
  return possible ? undefined : IMPOSSIBLE_COUNT
}

/**
 * Where two sound slots of one producer cannot both have been written by it, whatever the storage lost: places and epochs only grow.
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
  return bad('slots', `a place from LSN ${lsn} on in the newer one`, `LSN ${newer.committed.lsn}`)
}

/** As `producerSlotsMisfit`. */
export function consumerSlotsMisfit(
  older: ConsumerSlot,
  newer: ConsumerSlot,
): BadBlock | undefined {
  if (newer.seen < older.seen) {
    return bad('slots', `epoch ${older.seen} or later seen in the newer one`, String(newer.seen))
  }
  if (newer.seen > older.seen || isUpTo(older.cursor, newer.cursor)) return undefined
  const { lsn } = older.cursor
  return bad('slots', `a cursor from LSN ${lsn} on in the newer one`, `LSN ${newer.cursor.lsn}`)
}

function putText(block: Uint8Array, text: string): void {
  const area = block.subarray(TEXT_AT, TEXT_AT + TEXT_BYTES)
  const { written } = encoder.encodeInto(text, area)
  viewOf(block).setUint16(TEXT_LENGTH_AT, written, true)
}

function getText(block: Uint8Array): string {
  const length = Math.min(viewOf(block).getUint16(TEXT_LENGTH_AT, true), TEXT_BYTES)
  return decoder.decode(block.subarray(TEXT_AT, TEXT_AT + length))
}
