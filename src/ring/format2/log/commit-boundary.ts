import type { Disk } from '../disk/disk.ts'
import type { Epochs } from '../disk/epochs.ts'
import type { LogPosition } from '../disk/log-position.ts'
import { LogReader } from './log-reader.ts'

/**
 * The first log position from the LSN `wanted` on at which a batch begins and everything before it is committed;
 * `committed` if there is none.
 * @param from start of the search, at a batch
 * @param signal ends it between two reads, with its reason
 */
export async function commitBoundaryFrom(
  disk: Disk,
  epochs: Epochs,
  from: LogPosition,
  wanted: number,
  committed: LogPosition,
  signal: AbortSignal | undefined,
): Promise<LogPosition> {
  const reader = new LogReader(disk, { signal })
  let logPosition = from
  let committedTo = logPosition.seq
  while (logPosition.lsn < wanted || committedTo < logPosition.seq) {
    if (logPosition.lsn >= committed.lsn) return committed
    logPosition = (await reader.restartAt(logPosition, committedTo, epochs)) ?? logPosition
    const batch = await reader.batchAt(logPosition, epochs)
    const header =
      batch?.header ?? (await reader.nextHeader(logPosition.lsn + 1, committed.lsn, epochs))
    if (header === undefined) return committed
    const end = batch?.end ?? header.start
    const epoch = epochs.find(({ start }) => start.lsn === end.lsn)
    logPosition = epoch?.start ?? end
    committedTo = epoch?.start.seq ?? Math.max(committedTo, header.committedTo)
  }
  return logPosition
}
