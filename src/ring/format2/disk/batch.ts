import { crc32c, crc32cEach } from '../../../checksum/crc32c.ts'
import type { FieldSpec } from '../../report/dump.ts'
import { type BadBlock, bad, isBad } from './block.ts'
import { getU64, putTime, putU64, viewOf } from './bytes.ts'
import { type Layout, maxBatchBlocks } from './layout.ts'
import { addBytes, isCount, isLogPosition, type LogPosition, MAX_COUNT } from './log-position.ts'
import { applyMasks, chooseMasks, hasLookalike, isMasked, maskWords, WORD_BYTES } from './mask.ts'
import { field, shownAs, shownFields, shownIn, struct, timestamp, u32, u64 } from './struct.ts'

// A batch is what one write appends to the log: whole blocks, with the header as the commit record.
//
//     | header 80 | table 8 * n | masks 4 * m | item 0 | item 1 | ... | zeroes |   whole blocks
//
// - A batch is complete if the checksums of header, table and each item hold. Nothing else marks the end of the write.
// - The header repeats the CRC of the batch before. This chain, with the LSN, the epoch and the ring's identity,
//   prevents remains of earlier laps, earlier rings and items from passing for the next batch.
// - `committedTo` commits the items before it: those of this batch, of earlier ones, or (a marker) no new ones.
// - Items are masked on the device, so that no bytes from a supplier look like a structure (`mask.ts`). Checksums are
//   of the unmasked items.

/** `SBRB`. */
export const MAGIC = 0x42524253

const HEADER = struct({
  magic: field('magic', 0, shownAs('text', u32)),
  crc: field('checksum', 4, u32),
  lsn: field('LSN', 8, u64),
  epoch: field('epoch', 16, u64),
  seq: field('sequence', 24, u64),
  bytes: field('bytes before', 32, u64),
  committedTo: field('committed to', 40, u64),
  time: field('time', 48, timestamp),
  previous: field('checksum of the batch before', 56, u32),
  uuid: field('checksum of the uuid', 60, u32),
  itemCount: field('records', 64, u32),
  bodyBytes: field('body bytes', 68, u32),
  tableCrc: field('checksum of the table', 72, u32),
  mask: field('mask', 76, shownAs('hex', u32)),
})
/** A table entry, one for each record. */
const ENTRY = struct({
  length: field('length', 0, u32),
  crc: field('checksum', 4, u32),
})

// Batches are read and written by hand, which is faster.
/** Offset of the header's checksum. */
export const CRC_AT: number = HEADER.fields.crc.at
/** Offset of the LSN, where the bytes begin that the checksum covers: the rest of the header. */
export const LSN_AT: number = HEADER.fields.lsn.at
const EPOCH_AT = HEADER.fields.epoch.at
const SEQ_AT = HEADER.fields.seq.at
const BYTES_AT = HEADER.fields.bytes.at
const COMMITTED_AT = HEADER.fields.committedTo.at
const TIME_AT = HEADER.fields.time.at
const PREVIOUS_AT = HEADER.fields.previous.at
const UUID_AT = HEADER.fields.uuid.at
const ITEM_COUNT_AT = HEADER.fields.itemCount.at
const BODY_AT = HEADER.fields.bodyBytes.at
const TABLE_CRC_AT = HEADER.fields.tableCrc.at
const MASK_AT = HEADER.fields.mask.at
/** Offset of the checksum in a table entry; the length precedes it. */
const ENTRY_CRC_AT = ENTRY.fields.crc.at
/** Bytes of a mask word. The table is followed by the words for the parts of the batch after the first. */
const MASK_BYTES = 4
/** Length of a batch's header. The table of entries follows, then the masks of further parts. */
export const BATCH_HEADER_BYTES = 80
/** Bytes of a table entry: an item's length and checksum. */
export const ENTRY_BYTES = 8

/** The fields of a batch's header, for a dump. */
export function headerFields(): readonly FieldSpec[] {
  return shownFields(HEADER)
}

/** The fields of a batch's table, for a dump of some of its items. */
export function tableFields(from: number, to: number): readonly FieldSpec[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, index): readonly FieldSpec[] => {
    const at = BATCH_HEADER_BYTES + (from + index) * ENTRY_BYTES
    return shownIn(ENTRY, '', at).map(([name, ...rest]) => [
      `${name} of item ${from + index}`,
      ...rest,
    ])
  }).flat()
}

/** A batch's header. */
export interface BatchHeader {
  /** The batch's log position. */
  readonly start: LogPosition
  readonly epoch: number
  /** This batch commits all items before this sequence number. */
  readonly committedTo: number
  /** Write time, in milliseconds since 1970, by the producer's clock. */
  readonly time: number
  readonly itemCount: number
  /** Bytes of all items. */
  readonly bodyBytes: number
  /** Checksum of the table, and of the masks after it. */
  readonly tableCrc: number
  /** The mask of the first part; 0 if it is not masked. */
  readonly mask: number
  /** Checksum of the header, which includes the table's checksum. The next batch repeats it. */
  readonly crc: number
}

/** Length of a batch in blocks. */
export function batchBlocks(itemCount: number, bodyBytes: number, blockSize: number): number {
  return Math.ceil((frontBytes(itemCount, bodyBytes) + bodyBytes) / blockSize)
}

/** Bytes of a batch before its first item: header, table, and the masks of further parts. */
export function frontBytes(itemCount: number, bodyBytes: number): number {
  const masks = (maskWords(bodyBytes) - 1) * MASK_BYTES
  return BATCH_HEADER_BYTES + itemCount * ENTRY_BYTES + masks
}

/** The log position where the next batch begins. */
export function batchEnd(header: BatchHeader, blockSize: number): LogPosition {
  const { start, itemCount, bodyBytes, crc } = header
  return {
    lsn: start.lsn + batchBlocks(itemCount, bodyBytes, blockSize),
    seq: start.seq + itemCount,
    bytes: addBytes(start.bytes, bodyBytes),
    crc,
  }
}

/** Header and table are built here: allocating for each batch would take longer than the rest. */
let scratch = viewOf(new Uint8Array(4096))

/**
 * Encodes a batch into `bytes`, which is exactly as long as its blocks. Checksums are of the unmasked items; the bytes
 * stored are masked.
 * @param uuid checksum of the ring's identity
 * @returns the batch's header
 */
export function encodeBatch(
  bytes: Uint8Array,
  items: readonly Uint8Array[],
  fields: Pick<BatchHeader, 'start' | 'epoch' | 'committedTo' | 'time'>,
  uuid: number,
): BatchHeader {
  const itemCount = items.length
  let bodyBytes = 0
  const lengths: number[] = []
  for (const { length } of items) {
    bodyBytes += length
    lengths.push(length)
  }
  const front = frontBytes(itemCount, bodyBytes)
  bytes.fill(0, front + bodyBytes)
  // Fields are encoded in memory of our own: V8 is slow with the resizable memory that devices have for direct I/O.
  if (scratch.byteLength < front) scratch = viewOf(new Uint8Array(2 * front))
  const view = scratch
  const made = new Uint8Array(view.buffer, 0, front)
  let put = 0
  let putTo = front
  let mayHaveLookalike = false
  // Copies, scans and checksums each piece while it is in the processor's cache.
  const checksums = crc32cEach(bytes, front, lengths, (from, to) => {
    for (; put < itemCount && putTo < to + WORD_BYTES; put++) {
      const item = items[put] as Uint8Array
      putItem(bytes, item, putTo)
      putTo += item.length
    }
    mayHaveLookalike ||= hasLookalike(bytes, from, to)
  })
  for (let index = 0; index < itemCount; index++) {
    const entry = BATCH_HEADER_BYTES + index * ENTRY_BYTES
    view.setUint32(entry, lengths[index] as number, true)
    view.setUint32(entry + ENTRY_CRC_AT, checksums[index] as number, true)
  }
  // The table is masked too: suppliers choose its lengths and checksums as much as the items.
  bytes.set(made)
  mayHaveLookalike ||= hasLookalike(bytes, 0, front)
  const masks = chooseMasks(bytes, bodyBytes, mayHaveLookalike)
  const [mask = 0] = masks
  for (let part = 1; part < masks.length; part++) {
    view.setUint32(front - (masks.length - part) * MASK_BYTES, masks[part] as number, true)
  }
  const { start, epoch, committedTo, time } = fields
  view.setUint32(0, MAGIC, true)
  putU64(view, LSN_AT, start.lsn)
  putU64(view, EPOCH_AT, epoch)
  putU64(view, SEQ_AT, start.seq)
  putU64(view, BYTES_AT, start.bytes)
  putU64(view, COMMITTED_AT, committedTo)
  putTime(view, TIME_AT, time)
  view.setUint32(PREVIOUS_AT, start.crc, true)
  view.setUint32(UUID_AT, uuid, true)
  view.setUint32(ITEM_COUNT_AT, itemCount, true)
  view.setUint32(BODY_AT, bodyBytes, true)
  const tableCrc = crc32c(made.subarray(BATCH_HEADER_BYTES))
  view.setUint32(TABLE_CRC_AT, tableCrc, true)
  view.setUint32(MASK_AT, mask, true)
  const crc = crc32c(made.subarray(LSN_AT, BATCH_HEADER_BYTES))
  view.setUint32(CRC_AT, crc, true)
  bytes.set(made)
  if (isMasked(masks)) applyMasks(bytes, masks, 0, bytes.length)
  // Written out, because spreading `fields` takes V8 2.5 us.
  return { start, epoch, committedTo, time, itemCount, bodyBytes, tableCrc, mask, crc }
}

/** Copies an item into a batch, unless it was built in there. */
function putItem(batch: Uint8Array, item: Uint8Array, at: number): void {
  // Reads `buffer` last, because that takes as long as copying a small item.
  const isThere = item.byteOffset === batch.byteOffset + at && item.buffer === batch.buffer
  if (!isThere) batch.set(item, at)
}

/**
 * Parses a batch's header from its first block.
 * @returns undefined if there is no header of this ring for that block, or a damaged one
 */
export function parseHeader(
  block: Uint8Array,
  lsn: number,
  uuid: number,
  layout: Layout,
): BatchHeader | undefined {
  const header = openHeader(block, lsn, uuid, layout)
  return isBad(header) ? undefined : header
}

/** As `parseHeader`, for a known block of the data area with an unknown LSN. */
export function parseHeaderAt(
  block: Uint8Array,
  index: number,
  uuid: number,
  layout: Layout,
): BatchHeader | undefined {
  const lsn = getU64(viewOf(block), LSN_AT)
  return lsn % layout.dataBlocks === index ? parseHeader(block, lsn, uuid, layout) : undefined
}

/** As `parseHeader`, with the reason if there is none. */
export function openHeader(
  block: Uint8Array,
  lsn: number,
  uuid: number,
  layout: Layout,
): BatchHeader | BadBlock {
  const view = viewOf(block)
  const magic = view.getUint32(0, true)
  if (magic !== MAGIC) return bad('magic', String(MAGIC), String(magic))
  const foundUuid = view.getUint32(UUID_AT, true)
  if (foundUuid !== uuid) return bad('checksum of the uuid', String(uuid), String(foundUuid))
  const foundLsn = getU64(view, LSN_AT)
  if (foundLsn !== lsn) return bad('LSN', String(lsn), String(foundLsn))
  const crc = view.getUint32(CRC_AT, true)
  const computed = crc32c(block.subarray(LSN_AT, BATCH_HEADER_BYTES))
  if (computed !== crc) return bad('checksum', String(computed), String(crc))
  const header: BatchHeader = {
    start: {
      lsn,
      seq: getU64(view, SEQ_AT),
      bytes: getU64(view, BYTES_AT),
      crc: view.getUint32(PREVIOUS_AT, true),
    },
    epoch: getU64(view, EPOCH_AT),
    committedTo: getU64(view, COMMITTED_AT),
    time: getU64(view, TIME_AT),
    itemCount: view.getUint32(ITEM_COUNT_AT, true),
    bodyBytes: view.getUint32(BODY_AT, true),
    tableCrc: view.getUint32(TABLE_CRC_AT, true),
    mask: view.getUint32(MASK_AT, true),
    crc,
  }
  return misfitOf(header, layout) ?? header
}

/** Refuses headers that no producer writes, even under a valid checksum. */
function misfitOf(header: BatchHeader, layout: Layout): BadBlock | undefined {
  const { start, epoch, committedTo, time, itemCount, bodyBytes } = header
  const end = start.seq + itemCount
  if (!isLogPosition(start, layout.blockSize) || ![epoch, committedTo, time, end].every(isCount)) {
    const found = [start.lsn, start.seq, start.bytes, epoch, committedTo, time, itemCount].join(
      ', ',
    )
    return bad('counts', `numbers below ${MAX_COUNT} that fit each other`, found)
  }
  if (epoch < 1) return bad('epoch', 'at least 1', String(epoch))
  if (committedTo > end) return bad('committedTo', `at most ${end}`, String(committedTo))
  if (itemCount === 0 && bodyBytes > 0) return bad('body bytes', '0 in a marker', String(bodyBytes))
  const most = mostBlocks(itemCount, layout)
  const blocks = batchBlocks(itemCount, bodyBytes, layout.blockSize)
  return blocks <= most ? undefined : bad('length', `at most ${most} blocks`, String(blocks))
}

/**
 * A single item may fill the whole ring. Other batches are bounded, so that no table can dictate how much memory is
 * used.
 */
function mostBlocks(itemCount: number, layout: Layout): number {
  return itemCount > 1 ? maxBatchBlocks(layout) : layout.dataBlocks
}

/** As `frontBytes`, of a header. */
export function frontBytesOf({ itemCount, bodyBytes }: BatchHeader): number {
  return frontBytes(itemCount, bodyBytes)
}

/** A batch's mask words, from its first block as stored. */
export function masksOf(block: Uint8Array, header: BatchHeader): readonly number[] {
  const view = viewOf(block)
  const from = BATCH_HEADER_BYTES + header.itemCount * ENTRY_BYTES
  const further = Array.from({ length: maskWords(header.bodyBytes) - 1 }, (_, index) =>
    view.getUint32(from + index * MASK_BYTES, true),
  )
  return [header.mask, ...further]
}

/**
 * Removes a batch's masks.
 * @param stored all of its blocks as stored; not changed, because a search may read them as well
 * @param allocate memory for a copy
 * @returns the same memory if nothing is masked, else a copy
 */
export function unmasked(
  stored: Uint8Array,
  header: BatchHeader,
  allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
): Uint8Array {
  const masks = masksOf(stored, header)
  if (!isMasked(masks)) return stored
  const batch = allocate(stored.length).subarray(0, stored.length)
  batch.set(stored)
  applyMasks(batch, masks, 0, batch.length)
  return batch
}

/**
 * The table of an unmasked batch: a length and a checksum for each record. Undefined if its checksum fails, or it
 * contradicts the header.
 */
export function openTable(batch: Uint8Array, header: BatchHeader): DataView | undefined {
  const table = new Uint8Array(batch.subarray(BATCH_HEADER_BYTES, frontBytesOf(header)))
  if (crc32c(table) !== header.tableCrc) return undefined
  const view = viewOf(table)
  return sumOfLengths(view, header.itemCount) === header.bodyBytes ? view : undefined
}

function sumOfLengths(table: DataView, itemCount: number): number {
  let bytes = 0
  for (let index = 0; index < itemCount; index++)
    bytes += table.getUint32(index * ENTRY_BYTES, true)
  return bytes
}
