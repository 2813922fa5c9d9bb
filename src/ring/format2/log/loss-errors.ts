import { RingError, type RingErrorCode } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { channel } from '../../../util/diagnostics.ts'
import { itemTooLarge } from '../../shared/item-limits.ts'
import { bad, textOf } from '../disk/block.ts'
import type { Disk } from '../disk/disk.ts'
import type { Epochs } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { offsetIn } from '../disk/offset-in.ts'
import { toText } from '../position.ts'
import type { DamagedSegment } from './batch-index.ts'
import type { CorrectionEvent } from './correction.ts'
import { type BatchProblem, damageAt, diagnoseHeader } from './diagnose.ts'
import type { Loss, TooLarge } from './found.ts'
import type { ReadBatch } from './log-reader.ts'

// The errors and events of damage: loaded when a reader finds some.

const corrections = channel('shared-block-ring:correction')

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
  const which =
    items === 1
      ? `Item ${end} of ${device} is damaged`
      : `Items ${seq + 1} to ${end} of ${device} are damaged`
  const error = new RingError(
    'RING_DAMAGED',
    `${which}. At byte ${offset} of the device, ` +
      `${structure}: ${text}. Advance to position ${toText(position)} to skip them`,
    {
      ...{ device, offset, items, structure, problem: text },
      numbers: { first: seq + 1, last: end },
      position: toText(position),
    },
  )
  const pushedAt = isGap ? undefined : segment.batch.header.time
  const where = { start: segment.start, end: segment.end, seq }
  return { status: 'damage', items, position, error, pushedAt, problem, ...where }
}

/** Reports missing items: the slots count more items before a log position than the batches contain. */
export function missingItems(
  disk: Disk,
  logPosition: LogPosition,
  landmark: LogPosition,
): BatchProblem {
  return {
    structure: 'producer slots',
    offset: disk.layout.producerSlots[0],
    at: 0,
    bytes: 0,
    problem: bad('committed items', `${logPosition.seq}, as batches hold`, String(landmark.seq)),
    items: undefined,
  }
}

/** The reason why no batch could be read at a log position. */
export async function problemAt(
  disk: Disk,
  logPosition: LogPosition,
  epochs: Epochs,
): Promise<BatchProblem> {
  const found = await diagnoseHeader(disk, logPosition, epochs)
  if (found !== undefined) return found
  // This batch can be read after all, but those after it cannot.
  const problem = bad('batch', 'one that continues the log', 'none')
  const offset = disk.offsetOf(logPosition.lsn)
  return { structure: 'batch header', offset, at: 0, bytes: 0, problem, items: undefined }
}

/** Publishes the bit that was corrected in a batch, if any. */
export function publishCorrection(disk: Disk, { header, flipped }: ReadBatch): void {
  if (flipped === undefined || !corrections.hasSubscribers) return
  const offset = offsetIn(disk, header.start.lsn, flipped.at)
  const { name: device } = disk.device
  corrections.publish({ device, offset, bit: flipped.bit } satisfies CorrectionEvent)
}

/** A batch whose only item is sound, and larger than the reader accepts. */
export function tooLargeAt(
  disk: Disk,
  { header }: ReadBatch,
  position: Position,
  maxItemBytes: number,
): TooLarge {
  const { start, bodyBytes: length, time: pushedAt } = header
  const error = itemTooLarge({
    device: disk.device.name,
    offset: disk.offsetOf(start.lsn),
    length,
    position: toText(position),
    maxItemBytes,
  })
  return { status: 'too-large', position, error, pushedAt }
}

/** Damage right after overwritten items, with no item in between that could report those. */
export function missedBefore<Code extends RingErrorCode>(
  { code, message, details }: RingError<Code>,
  missed: number,
): RingError {
  return new RingError(code, `${message}; ${missed} items before them were overwritten`, {
    ...details,
    missed,
  })
}
