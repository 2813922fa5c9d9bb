import { bad } from './block.ts'
import type { BatchProblem } from './diagnose.ts'
import type { Disk } from './disk.ts'
import type { Mark } from './mark.ts'
import type { ProducerSlot } from './slots.ts'

/** What the producer's slots say of a place that batches lead to. Undefined if no epoch begins there, and more is committed. */
export function saidOf({ epochs, committed }: ProducerSlot, { lsn }: Mark): Mark | undefined {
  if (lsn >= committed.lsn) return committed
  return epochs.find(({ start }) => start.lsn === lsn)?.start
}

/** Where the log goes on behind items that are said to be committed, and that no batch holds. */
export function behindMissing(mark: Mark, said: Mark): Mark {
  return said.lsn === mark.lsn ? said : { ...mark, seq: said.seq }
}

/** Why items are missing: the slots count more before a place than the batches hold. */
export function missingItems(disk: Disk, mark: Mark, said: Mark): BatchProblem {
  return {
    structure: 'producer slots',
    offset: disk.layout.producerSlots[0],
    at: 0,
    bytes: 0,
    problem: bad('committed items', `${mark.seq}, as batches hold`, String(said.seq)),
    items: undefined,
  }
}
