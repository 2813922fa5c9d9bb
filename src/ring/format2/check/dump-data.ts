import { type Clock, systemClock } from '../../../clock.ts'
import { isRingError } from '../../../errors.ts'
import {
  type DumpOptions,
  decodeFields,
  type FieldSpec,
  type RingStructure,
} from '../../report/dump.ts'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchBlocks,
  ENTRY_BYTES,
  frontBytesOf,
  headerFields,
  masksOf,
  openHeader,
  parseHeaderAt,
  tableFields,
} from '../disk/batch.ts'
import { isBad, textOf } from '../disk/block.ts'
import type { Disk } from '../disk/disk.ts'
import { MAX_BATCH_BYTES } from '../disk/layout.ts'
import { applyMasks, isMasked } from '../disk/mask.ts'
import { offsetIn } from '../disk/offset-in.ts'
import { LogReader } from '../log/log-reader.ts'
import { replay } from '../log/replay.ts'
import { newestConsumer, newestProducer } from '../role.ts'
import { logStart, readSteadySlots } from './state.ts'

/** Bytes per read. */
const WINDOW_BYTES = 1 << 20

/** The LSNs of the unacknowledged batches. */
interface Live {
  readonly from: number
  readonly to: number
}

/** The structure at a byte of the data area. */
export async function structureInData(
  disk: Disk,
  offset: number,
  length: number,
  options: DumpOptions,
): Promise<RingStructure> {
  const { clock = systemClock, signal } = options
  const { dataOffset, dataBlocks, blockSize } = disk.layout
  const index = Math.floor((offset - dataOffset) / blockSize)
  const live = await findLive(disk, clock, signal)
  const lsn = live.from + ((index - (live.from % dataBlocks) + dataBlocks) % dataBlocks)
  const waits = lsn < live.to
  const most = waits ? lsn - live.from + 1 : Math.ceil(MAX_BATCH_BYTES / blockSize)
  const header = await batchAround(disk, index, Math.min(most, dataBlocks), signal)
  if (header !== undefined) {
    const back = (index - (header.start.lsn % dataBlocks) + dataBlocks) % dataBlocks
    const at = back * blockSize + ((offset - dataOffset) % blockSize)
    return inBatch(disk, header, at, length, signal)
  }
  const start = dataOffset + index * blockSize
  if (!waits) return { structure: 'free', start, length: blockSize, fields: [] }
  return damagedBatch(disk, lsn, start)
}

/** Finds the unacknowledged batches; none if they are unknown. */
async function findLive(disk: Disk, clock: Clock, signal: AbortSignal | undefined): Promise<Live> {
  try {
    const slots = await readSteadySlots(disk, clock)
    const producer = newestProducer(slots.producer, disk.device.name).slot
    const consumer = newestConsumer(slots.consumer, disk.device.name).slot
    const { logPosition } = await replay(disk, producer, { signal })
    return { from: logStart(disk, producer, consumer).logPosition.lsn, to: logPosition.lsn }
  } catch (error) {
    if (!isRingError(error)) throw error
    return { from: 0, to: 0 }
  }
}

/** The batch that contains a block of the data area, searched up to `back` blocks back. */
async function batchAround(
  disk: Disk,
  index: number,
  most: number,
  signal: AbortSignal | undefined,
): Promise<BatchHeader | undefined> {
  const { dataBlocks, blockSize } = disk.layout
  const window = WINDOW_BYTES / blockSize
  for (let done = 0; done < most; ) {
    signal?.throwIfAborted()
    // The last block of this window, limited to the blocks before the data area wraps.
    const last = (index - done + dataBlocks) % dataBlocks
    const blocks = Math.min(window, most - done, last + 1)
    const bytes = await disk.readBlocks(last + 1 - blocks, blocks)
    for (let at = blocks - 1; at >= 0; at--, done++) {
      const block = bytes.subarray(at * blockSize, (at + 1) * blockSize)
      const header = parseHeaderAt(block, last + 1 - blocks + at, disk.uuid, disk.layout)
      if (header === undefined) continue
      return done < batchBlocks(header.itemCount, header.bodyBytes, blockSize) ? header : undefined
    }
  }
  return undefined
}

/** Describes a block that should belong to a batch and does not. */
async function damagedBatch(disk: Disk, lsn: number, start: number): Promise<RingStructure> {
  const { blockSize } = disk.layout
  const block = await disk.readBlocks(lsn, 1)
  const opened = openHeader(block, lsn, disk.uuid, disk.layout)
  const problem = isBad(opened) ? textOf(opened) : 'no batch that continues the log'
  const structure = `block of a damaged batch, at LSN ${lsn}`
  return {
    structure,
    start,
    length: blockSize,
    problem,
    fields: decodeFields(block, start, headerFields()),
  }
}

/** The structure at an offset of a batch. Its fields are unmasked; the raw bytes of the dump are not. */
async function inBatch(
  disk: Disk,
  header: BatchHeader,
  at: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<RingStructure> {
  const { blockSize } = disk.layout
  const { lsn, seq } = header.start
  const batchBytes = batchBlocks(header.itemCount, header.bodyBytes, blockSize) * blockSize
  const tableEnd = frontBytesOf(header)
  const bodyEnd = tableEnd + header.bodyBytes
  const items = await new LogReader(disk, { signal }).itemsOf(header)
  const front = await disk.readBlocks(lsn, Math.ceil(tableEnd / blockSize))
  const masks = masksOf(front, header)
  applyMasks(front, masks, 0, batchBytes)
  const masked = isMasked(masks) ? ' (masked: its bytes are shown as they are stored)' : ''
  const of = `of the batch at LSN ${lsn}${masked}`
  const part = (
    structure: string,
    start: number,
    end: number,
    specs: readonly FieldSpec[],
    problem?: string,
  ): RingStructure => ({
    structure,
    start: offsetIn(disk, lsn, start),
    length: end - start,
    ...(problem !== undefined && { problem }),
    fields: decodeFields(front, 0, specs).map((field) => ({
      ...field,
      offset: offsetIn(disk, lsn, field.offset),
    })),
  })
  if (at < BATCH_HEADER_BYTES) return part(`header ${of}`, 0, BATCH_HEADER_BYTES, headerFields())
  const problem = items.hasTable ? undefined : 'its checksum does not hold'
  if (at < tableEnd) {
    const first = Math.floor((at - BATCH_HEADER_BYTES) / ENTRY_BYTES)
    const last = Math.ceil((at + length - BATCH_HEADER_BYTES) / ENTRY_BYTES)
    const specs = tableFields(first, Math.min(last, header.itemCount))
    return part(`table ${of}`, BATCH_HEADER_BYTES, tableEnd, specs, problem)
  }
  if (at >= bodyEnd) return part(`padding ${of}`, bodyEnd, batchBytes, [])
  if (!items.hasTable) return part(`items ${of}`, tableEnd, bodyEnd, [], `its table: ${problem}`)
  const index = items.indexAt(at - tableEnd)
  const name = `item ${index} ${of}, number ${seq + index + 1}`
  return part(
    name,
    tableEnd + items.bytesBefore(index),
    tableEnd + items.bytesBefore(index + 1),
    tableFields(index, index + 1),
    items.isSound(index) ? undefined : 'its checksum does not hold',
  )
}
