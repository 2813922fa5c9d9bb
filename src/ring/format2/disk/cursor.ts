import type { Epochs } from './epochs.ts'
import type { Mark } from './log-position.ts'

/** Where the next item is: a batch, how many of its items come before, and the byte count up to it. */
export interface Place {
  readonly mark: Mark
  readonly index: number
  readonly bytes: number
}

/** A place where a batch begins. */
export function placeAt(mark: Mark): Place {
  return { mark, index: 0, bytes: mark.bytes }
}

/**
 * Where a cursor goes on, with all that is known of epochs: at the beginning of one that it had not seen, if it lies beyond
 * that; and behind what was held back and dropped, if all before that was given back, or else it would take room for ever.
 */
export function placeAfter(cursor: Place, seen: number, epochs: Epochs): Place {
  const passed = epochs.find(({ epoch, start }) => epoch > seen && isBeyond(cursor, start))
  const place = passed === undefined ? cursor : placeAt(passed.start)
  const { mark, index } = place
  const dropped = epochs.findLast(
    ({ start }) => start.lsn > mark.lsn && start.seq === mark.seq + index,
  )
  return dropped === undefined ? place : placeAt(dropped.start)
}

/**
 * Whether a cursor lies beyond the beginning of an epoch: in blocks, or in items, because those that were held back before
 * it are dropped, and counted again.
 */
function isBeyond({ mark, index }: Place, start: Mark): boolean {
  if (mark.lsn > start.lsn || (mark.lsn === start.lsn && index > 0)) return true
  return mark.seq + index > start.seq
}
