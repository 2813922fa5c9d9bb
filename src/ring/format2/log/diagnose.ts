import { BATCH_HEADER_BYTES, type BatchHeader, openHeader, tableBytes } from '../disk/batch.ts'
import { type BadBlock, bad, isBad } from '../disk/block.ts'
import type { Disk } from '../disk/disk.ts'
import { allowsEpoch, type Epochs } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { offsetIn } from '../disk/offset-in.ts'
import type { ReadBatch } from './log-reader.ts'

/** One thing that is wrong with a batch. */
export interface BatchProblem {
  readonly structure: 'batch header' | 'table' | 'item' | 'producer slots'
  /** Where it is, in bytes from the device's start. */
  readonly offset: number
  /** Where it is, in bytes from the batch's start, and how long. */
  readonly at: number
  readonly bytes: number
  readonly problem: BadBlock
  /** Sequence numbers of the items that it makes unreadable, the last one excluded; undefined if the whole batch is. */
  readonly items: { readonly from: number; readonly to: number } | undefined
}

/** Reads again where a batch should be, and says why it could not be read; undefined if it can be now. */
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

/** What is wrong with a batch: nothing if it is complete. Adjacent damaged items are one problem. */
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

/** What is wrong at a damaged item, including the damaged items right after it. */
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
  const extent = { at: BATCH_HEADER_BYTES, bytes: tableBytes(header) - BATCH_HEADER_BYTES }
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
  const front = tableBytes(header)
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

/** Why a valid header is not the one that should be at a log position. */
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
