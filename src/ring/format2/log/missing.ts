import { bad } from '../disk/block.ts'
import type { Disk } from '../disk/disk.ts'
import type { LogPosition } from '../disk/log-position.ts'
import type { BatchProblem } from './diagnose.ts'

/** Why items are missing: the slots count more items before a log position than the batches contain. */
export function missingItems(
  disk: Disk,
  logPosition: LogPosition,
  said: LogPosition,
): BatchProblem {
  return {
    structure: 'producer slots',
    offset: disk.layout.producerSlots[0],
    at: 0,
    bytes: 0,
    problem: bad('committed items', `${logPosition.seq}, as batches hold`, String(said.seq)),
    items: undefined,
  }
}
