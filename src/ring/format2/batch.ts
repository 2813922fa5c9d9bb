import { crc32c, crc32cEach } from '../../crc32c.ts'
import { type BadBlock, bad, isBad } from './block.ts'
import { getU64, putTime, putU64, viewOf } from './bytes.ts'
import { addBytes, isCount, isMark, type Mark } from './mark.ts'

const MAGIC = 0x42524253 // 'SBRB'
const CRC_AT = 4
const LSN_AT = 8
const EPOCH_AT = 16
const SEQ_AT = 24
const BYTES_AT = 32
const COMMITTED_AT = 40
const TIME_AT = 48
const PREVIOUS_AT = 56
const UUID_AT = 60
const RECORDS_AT = 64
const BODY_AT = 68
const TABLE_CRC_AT = 72
/** Length of a batch's header; the table of records follows. */
export const BATCH_HEADER_BYTES = 80
/** What the table has for each record: its length and its checksum. */
export const RECORD_BYTES = 8

/** What a batch says of itself. */
export interface BatchHeader {
  /** Where it is, and what is before it. */
  readonly start: Mark
  readonly epoch: number
  /** All items before this sequence number are committed, once this batch is on the medium. */
  readonly committedTo: number
  /** When it was made, in milliseconds since 1970, on the producer's clock. */
  readonly time: number
  readonly records: number
  /** Bytes of all items. */
  readonly bodyBytes: number
  /** Checksum of the table. */
  readonly tableCrc: number
  /** Checksum of the header, and so of the table's: what the next batch repeats. */
  readonly crc: number
}

/** Blocks that a batch takes. */
export function batchBlocks(records: number, bodyBytes: number, blockSize: number): number {
  return Math.ceil((BATCH_HEADER_BYTES + records * RECORD_BYTES + bodyBytes) / blockSize)
}

/** Where the batch after this one begins. */
export function batchEnd(header: BatchHeader, blockSize: number): Mark {
  const { start, records, bodyBytes, crc } = header
  return {
    lsn: start.lsn + batchBlocks(records, bodyBytes, blockSize),
    seq: start.seq + records,
    bytes: addBytes(start.bytes, bodyBytes),
    crc,
  }
}

/** Where header and table are made: new memory for each batch would take longer than the rest of the work. */
let scratch = viewOf(new Uint8Array(4096))

/**
 * Writes a batch into `bytes`, which has exactly its blocks.
 * @param uuid checksum of the ring's identity
 * @returns the batch's header
 */
export function encodeBatch(
  bytes: Uint8Array,
  items: readonly Uint8Array[],
  fields: Pick<BatchHeader, 'start' | 'epoch' | 'committedTo' | 'time'>,
  uuid: number,
): BatchHeader {
  const table = BATCH_HEADER_BYTES + items.length * RECORD_BYTES
  let at = table
  for (const item of items) {
    bytes.set(item, at)
    at += item.length
  }
  bytes.fill(0, at)
  // Fields go through memory of our own: V8 is slow with the resizable memory that devices have for direct I/O.
  if (scratch.byteLength < table) scratch = viewOf(new Uint8Array(2 * table))
  const view = scratch
  const front = new Uint8Array(view.buffer, 0, table)
  const lengths = items.map((item) => item.length)
  const checksums = crc32cEach(bytes, table, lengths)
  for (let index = 0; index < items.length; index++) {
    const entry = BATCH_HEADER_BYTES + index * RECORD_BYTES
    view.setUint32(entry, lengths[index] as number, true)
    view.setUint32(entry + 4, checksums[index] as number, true)
  }
  const { start, epoch, committedTo, time } = fields
  const records = items.length
  const bodyBytes = at - table
  view.setUint32(0, MAGIC, true)
  putU64(view, LSN_AT, start.lsn)
  putU64(view, EPOCH_AT, epoch)
  putU64(view, SEQ_AT, start.seq)
  putU64(view, BYTES_AT, start.bytes)
  putU64(view, COMMITTED_AT, committedTo)
  putTime(view, TIME_AT, time)
  view.setUint32(PREVIOUS_AT, start.crc, true)
  view.setUint32(UUID_AT, uuid, true)
  view.setUint32(RECORDS_AT, records, true)
  view.setUint32(BODY_AT, bodyBytes, true)
  const tableCrc = crc32c(front.subarray(BATCH_HEADER_BYTES))
  view.setUint32(TABLE_CRC_AT, tableCrc, true)
  view.setUint32(TABLE_CRC_AT + 4, 0, true)
  const crc = crc32c(front.subarray(LSN_AT, BATCH_HEADER_BYTES))
  view.setUint32(CRC_AT, crc, true)
  bytes.set(front)
  // Written out, because to spread `fields` takes V8 2.5 us.
  return { start, epoch, committedTo, time, records, bodyBytes, tableCrc, crc }
}

/**
 * Reads the header of a batch from its first block.
 * @returns undefined if there is no header of this ring for that place, or a damaged one
 */
export function parseHeader(
  block: Uint8Array,
  lsn: number,
  uuid: number,
  dataBlocks: number,
): BatchHeader | undefined {
  const header = openHeader(block, lsn, uuid, dataBlocks)
  return isBad(header) ? undefined : header
}

/** As `parseHeader`, where it is only known which block of the data area it is. */
export function parseHeaderAt(
  block: Uint8Array,
  index: number,
  uuid: number,
  dataBlocks: number,
): BatchHeader | undefined {
  const lsn = getU64(viewOf(block), LSN_AT)
  return lsn % dataBlocks === index ? parseHeader(block, lsn, uuid, dataBlocks) : undefined
}

/** As `parseHeader`, and says why there is none. */
export function openHeader(
  block: Uint8Array,
  lsn: number,
  uuid: number,
  dataBlocks: number,
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
    records: view.getUint32(RECORDS_AT, true),
    bodyBytes: view.getUint32(BODY_AT, true),
    tableCrc: view.getUint32(TABLE_CRC_AT, true),
    crc,
  }
  const { start, epoch, committedTo, time, records } = header
  if (!isMark(start) || ![epoch, committedTo, time].every(isCount)) {
    return bad('counts', 'numbers that can be', 'more')
  }
  const last = start.seq + records
  if (committedTo > last) return bad('committedTo', `at most ${last}`, String(committedTo))
  const blocks = batchBlocks(records, header.bodyBytes, block.length)
  return blocks <= dataBlocks
    ? header
    : bad('length', `at most ${dataBlocks} blocks`, String(blocks))
}

/** Bytes of a batch's header and table. */
export function tableBytes(header: BatchHeader): number {
  return BATCH_HEADER_BYTES + header.records * RECORD_BYTES
}

/** Whether the table is as it was written, and fits the header. */
export function checkTable(batch: Uint8Array, header: BatchHeader): boolean {
  return openTable(batch, header) !== undefined
}

/** The table: a length and a checksum for each record. Undefined if it is not as it was written, or does not fit the header. */
export function openTable(batch: Uint8Array, header: BatchHeader): DataView | undefined {
  const table = new Uint8Array(batch.subarray(BATCH_HEADER_BYTES, tableBytes(header)))
  if (crc32c(table) !== header.tableCrc) return undefined
  const view = viewOf(table)
  let bytes = 0
  for (let at = 0; at < table.length; at += RECORD_BYTES) bytes += view.getUint32(at, true)
  return bytes === header.bodyBytes ? view : undefined
}
