import { type LogPosition, leadsTo } from './log-position.ts'

/**
 * Each time a producer attaches, an epoch begins: batches from its start on have to be of that epoch, so that what an
 * earlier producer writes late is not taken for what the present one wrote.
 */
export interface Epoch {
  readonly epoch: number
  /** Where it begins: the end of what was committed then. */
  readonly start: LogPosition
  /**
   * How many epochs before this one this entry stands for as well: entries are merged when there are more than a
   * slot can hold.
   */
  readonly span: number
}

/** Ascending by epoch and start; the last is the present one. Never empty. */
export type Epochs = readonly Epoch[]

/** Whether a list is as it has to be: each epoch is newer than the one before, and begins further on, where that leads. */
export function areAscending(epochs: Epochs, blockSize: number): boolean {
  return epochs.every(({ epoch, start, span }, index) => {
    const before = epochs[index - 1]
    if (before === undefined) return epoch - span >= 1
    return (
      epoch - span > before.epoch &&
      start.lsn > before.start.lsn &&
      leadsTo(before.start, start, blockSize)
    )
  })
}

/** Whether a batch at that place may be of that epoch. */
export function allowsEpoch(epochs: Epochs, lsn: number, epoch: number): boolean {
  const entry = epochs.findLast(({ start }) => start.lsn <= lsn)
  const next = epochs.find(({ start }) => start.lsn > lsn)
  const most = entry?.epoch ?? (next === undefined ? Number.NaN : next.epoch - next.span - 1)
  const least = entry === undefined ? 1 : entry.epoch - entry.span
  return epoch >= least && epoch <= most
}

/** The epoch of a place, as positions tell it: of those that were merged, the oldest. 0 if there are none. */
export function epochAt(epochs: Epochs, lsn: number): number {
  const entry = epochs.findLast(({ start }) => start.lsn <= lsn)
  if (entry !== undefined) return entry.epoch - entry.span
  const [first] = epochs
  return first === undefined ? 0 : first.epoch - first.span - 1
}

/** The present epoch. */
export function currentEpoch(epochs: Epochs): Epoch {
  const last = epochs.at(-1)
  if (last === undefined) throw new RangeError('there is always an epoch')
  return last
}

/** Where the earliest epoch begins that is newer than `seen`, if there is one. */
export function firstUnseen(epochs: Epochs, seen: number): Epoch | undefined {
  return epochs.find(({ epoch }) => epoch > seen)
}

/**
 * Begins an epoch.
 * @param keepFrom batches from this place on may still be read
 * @param seen the newest epoch that each consumer slot knows
 * @param limit how many entries a slot holds: at least one more than there are consumer slots, and one
 */
export function beginEpoch(
  epochs: Epochs,
  epoch: number,
  start: LogPosition,
  keepFrom: number,
  seen: readonly number[],
  limit: number,
): Epochs {
  const kept = epochs.filter((entry, index) => {
    if (entry.start.lsn === start.lsn) return false // Nothing was written in it.
    const end = epochs[index + 1]?.start.lsn ?? start.lsn
    return entry.epoch > Math.min(...seen) || end > keepFrom
  })
  const all = [...kept, { epoch, start, span: 0 }]
  while (all.length > limit) {
    // Whoever has seen the first but not the second must go back to where the second began, and no further.
    const at = all.findIndex((first, index) => {
      const second = all[index + 1]
      return second !== undefined && !seen.some((s) => first.epoch <= s && s < second.epoch)
    })
    const [first, second] = all.slice(at, at + 2) as [Epoch, Epoch]
    const span = second.epoch - first.epoch + first.span
    all.splice(at, 2, { epoch: second.epoch, start: first.start, span })
  }
  return all
}
