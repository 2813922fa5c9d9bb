import { BATCH_HEADER_BYTES, type BatchHeader, frontBytesOf, openHeader } from '../disk/batch.ts'
import { type BadBlock, bad, isBad } from '../disk/block.ts'
import type { Disk } from '../disk/disk.ts'
import { allowsEpoch, type Epochs } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { offsetIn } from '../disk/offset-in.ts'
import type { ReadBatch } from './log-reader.ts'

/** A problem of a batch. */
export interface BatchProblem {
  readonly structure: 'batch header' | 'table' | 'item' | 'producer slots'
  /** Its offset on the device, in bytes. */
  readonly offset: number
  /** Its offset in the batch, in bytes, and its length. */
  readonly at: number
  readonly bytes: number
  readonly problem: BadBlock
  /**
   * Sequence numbers of the items that it makes unreadable, from the first to the one after the last; undefined if that
   * is the whole batch.
   */
  readonly items: { readonly from: number; readonly to: number } | undefined
}

/** Reads the blocks of an expected batch again, and finds out why they are not one; undefined if they are now. */
export async function diagnoseHeader(
  disk: Disk,
  logPosition: LogPosition,
  epochs: Epochs,
): Promise<BatchProblem | undefined> {
  const block = await disk.readBlocks(logPosition.lsn, 1)
  const opened = openHeader(block, logPosition.lsn, disk.uuid, disk.layout)
  const problem = isBad(opened) ? opened : misfit(opened, logPosition, epochs)
  if (problem === undefined) return undefined
  const offset = disk.offsetOf(logPosition.lsn)
  const extent = { at: 0, bytes: BATCH_HEADER_BYTES }
  return { structure: 'batch header', offset, ...extent, problem, items: undefined }
}

/** The problems of a batch; none if it is complete. Adjacent damaged items are one problem. */
export function diagnoseBatch(disk: Disk, batch: ReadBatch): readonly BatchProblem[] {
  const { header, items } = batch
  if (!items.hasTable) return [tableProblem(disk, header)]
  const problems: BatchProblem[] = []
  for (let index = 0; index < items.length; index++) {
    const end = items.damagedTo(index)
    if (end === index) continue
    problems.push(itemProblem(disk, batch, index, end))
    index = end
  }
  return problems
}

/** The problem of a damaged item, together with the damaged items right after it. */
export function damageAt(disk: Disk, batch: ReadBatch, seq: number): BatchProblem {
  const { header, items } = batch
  if (!items.hasTable) return tableProblem(disk, header)
  const index = seq - header.start.seq
  const end = items.damagedTo(index)
  if (end === index) throw new RangeError(`item ${seq} is not damaged`)
  let begin = index
  while (begin > 0 && !items.isSound(begin - 1)) begin--
  const problem = itemProblem(disk, batch, begin, end)
  return { ...problem, items: { from: seq, to: header.start.seq + end } }
}

function tableProblem(disk: Disk, header: BatchHeader): BatchProblem {
  const offset = offsetIn(disk, header.start.lsn, BATCH_HEADER_BYTES)
  const extent = { at: BATCH_HEADER_BYTES, bytes: frontBytesOf(header) - BATCH_HEADER_BYTES }
  const problem = bad('checksum', "that of the batch's header", 'another')
  return { structure: 'table', offset, ...extent, problem, items: undefined }
}

/** A run of damaged items. */
function itemProblem(
  disk: Disk,
  { header, items }: ReadBatch,
  begin: number,
  end: number,
): BatchProblem {
  const { lsn, seq } = header.start
  const front = frontBytesOf(header)
  const at = front + items.bytesBefore(begin)
  return {
    structure: 'item',
    offset: offsetIn(disk, lsn, at),
    at,
    bytes: front + items.bytesBefore(end) - at,
    problem: bad('checksum', "that of the batch's table", 'another'),
    items: { from: seq + begin, to: seq + end },
  }
}

/** The reason why a valid header is not the expected one at a log position. */
function misfit(
  { start, epoch }: BatchHeader,
  logPosition: LogPosition,
  epochs: Epochs,
): BadBlock | undefined {
  if (!allowsEpoch(epochs, logPosition.lsn, epoch)) {
    return bad('epoch', 'that of its log position', String(epoch))
  }
  const fields = [
    ['sequence', logPosition.seq, start.seq],
    ['bytes before', logPosition.bytes, start.bytes],
    ['checksum of the batch before', logPosition.crc, start.crc],
  ] as const
  const wrong = fields.find(([, expected, found]) => expected !== found)
  return wrong && bad(wrong[0], String(wrong[1]), String(wrong[2]))
}
