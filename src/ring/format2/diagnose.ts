import { crc32c } from '../../crc32c.ts'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchBlocks,
  checkTable,
  openHeader,
  RECORD_BYTES,
  tableBytes,
} from './batch.ts'
import { type BadBlock, bad, isBad } from './block.ts'
import { viewOf } from './bytes.ts'
import type { Disk } from './disk.ts'
import { allowsEpoch, type Epochs } from './epochs.ts'
import type { Mark } from './mark.ts'

/** One thing that is wrong with a batch. */
export interface BatchProblem {
  readonly structure: 'batch header' | 'table' | 'item'
  /** Where it is, in bytes from the device's start. */
  readonly offset: number
  /** Where it is, in bytes from the batch's start, and how long. */
  readonly at: number
  readonly bytes: number
  readonly problem: BadBlock
  /** Sequence numbers of the items that it makes unreadable, the last one excluded; undefined if it is all of the batch. */
  readonly items: { readonly from: number; readonly to: number } | undefined
}

/** An item as a batch's table has it. */
export interface ItemRecord {
  readonly index: number
  /** Where it is, in bytes from the batch's start. */
  readonly at: number
  readonly length: number
  readonly crc: number
}

/** The items of a batch whose table is sound. */
export function* recordsOf(batch: Uint8Array, header: BatchHeader): Generator<ItemRecord> {
  const view = viewOf(batch)
  let at = tableBytes(header)
  for (let index = 0; index < header.records; index++) {
    const entry = BATCH_HEADER_BYTES + index * RECORD_BYTES
    const length = view.getUint32(entry, true)
    yield { index, at, length, crc: view.getUint32(entry + 4, true) }
    at += length
  }
}

/** Reads a batch anew, and says what is wrong with it: nothing, if it is sound. */
export async function diagnose(
  disk: Disk,
  mark: Mark,
  epochs: Epochs,
): Promise<readonly BatchProblem[]> {
  const { blockSize, dataBlocks } = disk.layout
  const block = await disk.readBlocks(mark.lsn, 1)
  const opened = openHeader(block, mark.lsn, disk.uuid, dataBlocks)
  const header = isBad(opened) ? opened : (misfit(opened, mark, epochs) ?? opened)
  if (isBad(header)) {
    const offset = disk.offsetOf(mark.lsn)
    const extent = { at: 0, bytes: BATCH_HEADER_BYTES }
    return [{ structure: 'batch header', offset, ...extent, problem: header, items: undefined }]
  }
  const blocks = batchBlocks(header.records, header.bodyBytes, blockSize)
  const batch = await disk.readBlocks(mark.lsn, blocks)
  if (!checkTable(batch, header)) {
    const found = crc32c(batch.subarray(BATCH_HEADER_BYTES, tableBytes(header)))
    const problem = bad('checksum of the table', String(header.tableCrc), String(found))
    const offset = offsetIn(disk, mark.lsn, BATCH_HEADER_BYTES)
    const extent = { at: BATCH_HEADER_BYTES, bytes: tableBytes(header) - BATCH_HEADER_BYTES }
    return [{ structure: 'table', offset, ...extent, problem, items: undefined }]
  }
  return damagedItems(disk, batch, header)
}

/** Why a sound header is not the one that has to be at a place. */
function misfit({ start, epoch }: BatchHeader, mark: Mark, epochs: Epochs): BadBlock | undefined {
  if (!allowsEpoch(epochs, mark.lsn, epoch)) {
    return bad('epoch', 'that of its place in the log', String(epoch))
  }
  const fields = [
    ['sequence', mark.seq, start.seq],
    ['bytes before', mark.bytes, start.bytes],
    ['checksum of the batch before', mark.crc, start.crc],
  ] as const
  const wrong = fields.find(([, expected, found]) => expected !== found)
  return wrong && bad(wrong[0], String(wrong[1]), String(wrong[2]))
}

/** Damaged items, neighbours as one. */
function damagedItems(disk: Disk, batch: Uint8Array, header: BatchHeader): readonly BatchProblem[] {
  const problems: BatchProblem[] = []
  const { lsn, seq } = header.start
  for (const { index, at, length, crc } of recordsOf(batch, header)) {
    const found = crc32c(batch.subarray(at, at + length))
    if (found === crc) continue
    const before = problems.at(-1)
    if (before?.items?.to === seq + index) {
      const items = { ...before.items, to: seq + index + 1 }
      problems[problems.length - 1] = { ...before, bytes: at + length - before.at, items }
      continue
    }
    problems.push({
      structure: 'item',
      offset: offsetIn(disk, lsn, at),
      at,
      bytes: length,
      problem: bad('checksum', String(crc), String(found)),
      items: { from: seq + index, to: seq + index + 1 },
    })
  }
  return problems
}

/** Where a byte of a batch is on the device. A batch may go on at the beginning of the data area. */
export function offsetIn(disk: Disk, lsn: number, at: number): number {
  const { blockSize } = disk.layout
  return disk.offsetOf(lsn + Math.floor(at / blockSize)) + (at % blockSize)
}
