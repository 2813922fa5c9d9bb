import { type LogPosition, leadsTo } from './log-position.ts'

/**
 * Each producer that attaches begins an epoch. Batches after its start must be of that epoch, so that a late write of
 * an earlier producer does not count.
 */
export interface Epoch {
  readonly epoch: number
  /** Its start: the end of the committed log at that time. */
  readonly start: LogPosition
  /** The number of earlier epochs merged into this entry, once a slot has no room for all of them. */
  readonly span: number
}

/** Ascending by epoch and start. The last is the current one. Never empty. */
export type Epochs = readonly Epoch[]

/**
 * True if a list is valid: each epoch is newer than the one before, and its start is reachable from that one's start.
 */
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

/** True if the epochs allow a batch of `epoch` at an LSN. */
export function allowsEpoch(epochs: Epochs, lsn: number, epoch: number): boolean {
  const entry = epochs.findLast(({ start }) => start.lsn <= lsn)
  const next = epochs.find(({ start }) => start.lsn > lsn)
  const most = entry?.epoch ?? (next === undefined ? Number.NaN : next.epoch - next.span - 1)
  const least = entry === undefined ? 1 : entry.epoch - entry.span
  return epoch >= least && epoch <= most
}

/** The epoch at an LSN, as positions use it: of merged epochs the oldest; 0 if there is none. */
export function epochAt(epochs: Epochs, lsn: number): number {
  const entry = epochs.findLast(({ start }) => start.lsn <= lsn)
  if (entry !== undefined) return entry.epoch - entry.span
  const [first] = epochs
  return first === undefined ? 0 : first.epoch - first.span - 1
}

/** The current epoch. */
export function currentEpoch(epochs: Epochs): Epoch {
  const last = epochs.at(-1)
  if (last === undefined) throw new RangeError('there is always an epoch')
  return last
}

/** The earliest epoch that is newer than `seen`, if there is one. */
export function firstUnseen(epochs: Epochs, seen: number): Epoch | undefined {
  return epochs.find(({ epoch }) => epoch > seen)
}

/**
 * Adds an epoch.
 * @param keepFrom batches from this LSN on may still be read
 * @param seen the newest epoch that each consumer slot has seen
 * @param limit entries that fit into a slot: at least two more than there are consumer slots
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
    // A consumer that has seen the first but not the second must go back to where the second began, and no further.
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
