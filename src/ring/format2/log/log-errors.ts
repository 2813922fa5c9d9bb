import { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { itemTooLarge } from '../../shared/item-limits.ts'
import { textOf } from '../disk/block.ts'
import type { Disk } from '../disk/disk.ts'
import { toText } from '../position.ts'
import type { DamagedSegment } from './batch-index.ts'
import { damageAt } from './diagnose.ts'
import type { Batch } from './log-reader.ts'
import type { Loss, TooLarge } from './next.ts'

/**
 * The run of damaged items that begins at `seq`.
 * @param committed items before this one are committed
 * @param positionAt the position at a sequence number
 */
export function lossAt(
  disk: Disk,
  segment: DamagedSegment,
  seq: number,
  committed: number,
  positionAt: (seq: number) => Position,
): Loss {
  const { name: device } = disk.device
  const isGap = segment.kind === 'gap'
  const problem = isGap ? segment.problem : damageAt(disk, segment.batch, seq)
  const end = isGap ? committed : Math.min(committed, problem.items?.to ?? committed)
  const items = end - seq
  const position = positionAt(end)
  const { structure, offset } = problem
  const text = textOf(problem.problem)
  const error = new RingError(
    'RING_DAMAGED',
    `${items} items of ${device} are damaged: sequence ${seq} to ${end - 1}. At byte ${offset} of the device, ` +
      `${structure}: ${text}. Advance to position ${toText(position)} to skip them`,
    {
      ...{ device, offset, items, structure, problem: text },
      sequence: { first: seq, last: end - 1 },
      position: toText(position),
    },
  )
  const time = isGap ? undefined : segment.batch.header.time
  const where = { start: segment.start, end: segment.end, seq }
  return { status: 'damage', items, position, error, time, problem, ...where }
}

/** A batch whose only item is sound, and larger than the reader accepts. */
export function tooLargeAt(
  disk: Disk,
  { header }: Batch,
  position: Position,
  maxItemBytes: number,
): TooLarge {
  const { start, bodyBytes: length, time } = header
  const error = itemTooLarge({
    device: disk.device.name,
    offset: disk.offsetOf(start.lsn),
    length,
    position: toText(position),
    maxItemBytes,
  })
  return { status: 'too-large', position, error, time }
}

/** The slots and the log contradict each other, so what is at a position is unknown. */
export function contradiction(device: string, position: Position): RingError {
  return new RingError(
    'RING_CORRUPT',
    `What the slots of ${device} say of position ${toText(position)} is not what the log says: one of them is damaged, though ` +
      'its checksum holds',
    {
      device,
      position: toText(position),
      field: 'log',
      expected: 'slots and log to agree',
      found: 'a contradiction',
    },
  )
}
