import type { View } from '../machine.ts'
import { endOf, firstUnseen, type Log } from './log.ts'
import type { Batch, Epoch, LogPosition, ProducerSlot, Rules, Unit } from './rules.ts'

/** A position that a pop returned. */
export interface Position {
  readonly epoch: number
  readonly seq: number
}

/** A batch that was read. */
interface Piece {
  readonly batch: Batch
  readonly end: LogPosition
  /** Items from this one on were dropped. */
  readonly limit: number
}

/** What the consumer has read of the log: from its cursor to a frontier. */
export interface Reading {
  readonly cursor: LogPosition
  readonly seen: number
  readonly producer: ProducerSlot
  readonly pieces: readonly Piece[]
  readonly frontier: LogPosition
  readonly committedTo: number
}

/** What a pop finds. */
export interface Found {
  readonly reading: Reading
  readonly item?: number
  readonly position?: Position
  readonly broken?: string
}

export function readingFrom(cursor: LogPosition, seen: number, producer: ProducerSlot): Reading {
  return { cursor, seen, producer, pieces: [], frontier: cursor, committedTo: cursor.seq }
}

/** Takes in a producer slot. Where an epoch began before our cursor, we go back. */
export function learn(before: Reading, producer: ProducerSlot, rules: Rules): Reading {
  const { epochs } = producer
  const { seen, cursor } = before
  const newest = epochs.at(-1)?.epoch ?? 0
  const reading = { ...before, producer, seen: newest }
  const unseen = firstUnseen(epochs, seen)
  if (unseen === undefined || !rules.goesBack) return behindDropped(reading)
  const truncated =
    reading.frontier.lsn >= unseen.start.lsn ? cutAt(reading, unseen.start) : reading
  const passed = epochs.find(
    ({ epoch, start }) => epoch > seen && (cursor.lsn > start.lsn || cursor.seq > start.seq),
  )
  return behindDropped(passed === undefined ? truncated : { ...truncated, cursor: passed.start })
}

/** Once everything before an epoch is acknowledged, the uncommitted items that it dropped take no room. */
function behindDropped(reading: Reading): Reading {
  const { cursor, frontier, producer } = reading
  const epoch = producer.epochs.findLast(
    ({ start }) => start.lsn > cursor.lsn && start.seq === cursor.seq,
  )
  if (epoch === undefined) return reading
  const { start } = epoch
  const ahead = frontier.lsn < start.lsn ? { frontier: start, committedTo: start.seq } : {}
  return { ...reading, cursor: start, ...ahead }
}

function cutAt(reading: Reading, start: LogPosition): Reading {
  const pieces = reading.pieces
    .filter(({ batch }) => batch.start.lsn < start.lsn)
    .map(({ batch, end, limit }) => ({
      batch,
      end: end.lsn > start.lsn ? start : end,
      limit: Math.min(limit, start.seq),
    }))
  return { ...reading, pieces, frontier: start, committedTo: start.seq }
}

/** The number of items up to a position. */
export function seqOf(reading: Reading, { epoch, seq }: Position): number {
  const later = reading.producer.epochs.find((entry) => entry.epoch > epoch)
  return Math.min(seq, later?.start.seq ?? seq)
}

/** The position of the cursor. */
export function ownPosition({ cursor, producer }: Reading): Position {
  const { epochs } = producer
  const epoch = epochs.findLast(({ start }) => start.lsn <= cursor.lsn)?.epoch
  return { epoch: epoch ?? (epochs[0]?.epoch ?? 1) - 1, seq: cursor.seq }
}

/** What is at a position, reading on as far as necessary. */
export function next(before: Reading, position: Position, log: Log, view: View<Unit>): Found {
  const seq = seqOf(before, position)
  let reading = before
  while (seq >= reading.committedTo) {
    const { frontier, producer } = reading
    const found = log.batchAt(view, frontier, producer.epochs)
    if (found?.whole !== true) {
      if (frontier.lsn >= producer.committed.lsn) return { reading }
      return { reading, broken: `the batch at ${frontier.lsn} is damaged` }
    }
    reading = extended(reading, found.batch)
  }
  const piece = pieceOf(reading, seq)
  if (piece === undefined) return { reading, broken: `item ${seq} is not in the ring` }
  const { item = 0, epoch } = piece.batch
  return { reading, item, position: { epoch, seq: seq + 1 } }
}

function extended(reading: Reading, batch: Batch): Reading {
  const end = endOf(batch)
  const pieces = [...reading.pieces, { batch, end, limit: Number.MAX_SAFE_INTEGER }]
  const committedTo = Math.max(reading.committedTo, batch.to)
  const epoch = reading.producer.epochs.find(({ start }) => start.lsn === end.lsn)
  const read = { ...reading, pieces, committedTo, frontier: end }
  return epoch === undefined ? read : cutAt(read, epoch.start)
}

function pieceOf({ pieces }: Reading, seq: number): Piece | undefined {
  return pieces.find(
    ({ batch, end, limit }) => batch.start.seq <= seq && seq < Math.min(end.seq, limit),
  )
}

/** The cursor of a position that was popped. */
export function cursorOf(reading: Reading, position: Position): LogPosition | undefined {
  const seq = seqOf(reading, position)
  if (seq > reading.committedTo) return undefined
  return pieceOf(reading, seq)?.batch.start ?? reading.frontier
}

/** Moves the cursor, and drops the pieces before it. */
export function movedTo(reading: Reading, cursor: LogPosition): Reading {
  const pieces = reading.pieces.filter(({ end }) => end.lsn > cursor.lsn)
  return { ...reading, cursor, pieces }
}

/** All items from the cursor on. */
export function allItems(from: Reading, log: Log, view: View<Unit>): readonly number[] | string {
  const items: number[] = []
  let reading = from
  for (let at = ownPosition(from); ; ) {
    const found = next(reading, at, log, view)
    if (found.broken !== undefined) return found.broken
    if (found.item === undefined || found.position === undefined) return items
    items.push(found.item)
    at = found.position
    reading = found.reading
  }
}

/** The epochs that a new one follows. */
export function beginEpoch(
  epochs: readonly Epoch[],
  epoch: Epoch,
  keepFrom: number,
  seen: number,
): readonly Epoch[] {
  const kept = epochs.filter((entry, index) => {
    if (entry.start.lsn === epoch.start.lsn) return false
    const end = epochs[index + 1]?.start.lsn ?? epoch.start.lsn
    return entry.epoch > seen || end > keepFrom
  })
  return [...kept, epoch]
}
