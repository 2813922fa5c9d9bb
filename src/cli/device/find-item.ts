import type { Position } from '../../position.ts'
import type { RingInspection } from '../../ring/inspection.ts'
import { formatPosition, itemNumber } from '../../ring/shared/position-text.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { CommandError, EXIT, emptyNow } from '../errors.ts'

/** The item to find, by the position at its end or by its number; without either, the next one. */
export interface Wanted {
  readonly at?: Position
  readonly number?: number
}

/**
 * Finds an item, if it is on the device.
 * @throws the signal's reason
 */
export async function findItem(
  state: RingInspection,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<PoppedItem | undefined> {
  const { items, isPast } = search(state, wanted)
  for await (const popped of items) {
    signal.throwIfAborted()
    if (isWanted(popped, wanted)) return popped
    if (isPast(popped)) return undefined
  }
  return undefined
}

function isWanted({ position }: PoppedItem, { at, number }: Wanted): boolean {
  if (at !== undefined) return position === at
  return number === undefined || itemNumber(position, 2) === number
}

/** The search for an item: it starts at the nearer end, and has a limit. */
function search(
  state: RingInspection,
  { at, number }: Wanted,
): { items: AsyncIterable<PoppedItem>; isPast: (popped: PoppedItem) => boolean } {
  const { format, stats } = state
  if (format === 1 || stats === undefined) {
    return { items: state.items(), isPast: ({ position }) => at !== undefined && position > at }
  }
  const wanted =
    number ?? (at === undefined ? stats.acknowledgedItems + 1 : (itemNumber(at, 2) ?? 0))
  const numberOf = ({ position }: PoppedItem): number => itemNumber(position, 2) ?? 0
  const isBefore = (popped: PoppedItem): boolean => numberOf(popped) < wanted
  const isAfter = (popped: PoppedItem): boolean => numberOf(popped) > wanted
  if (wanted <= stats.acknowledgedItems) return { items: state.consumed(), isPast: isBefore }
  const isNearEnd = stats.committedItems - wanted < wanted - stats.acknowledgedItems
  if (isNearEnd && (at ?? number) !== undefined) return { items: state.newest(), isPast: isBefore }
  return { items: state.items(), isPast: isAfter }
}

/** The error for a missing item. */
export function noSuchItem(
  path: string,
  { format, stats, consumer, producer }: RingInspection,
  { at, number }: Wanted,
): CommandError {
  if (at === undefined && number === undefined) return emptyNow(path)
  const what =
    at === undefined ? `of number ${number}` : `that ends at position ${formatPosition(at, format)}`
  const shown = (position: Position): string => formatPosition(position, format)
  const waits =
    consumer.position === producer.position
      ? 'nothing waits'
      : `unacknowledged items are from position ${shown(consumer.position)} to ${shown(producer.position)}`
  const asked = number ?? (at === undefined ? undefined : itemNumber(at, format))
  const isConsumed = stats !== undefined && asked !== undefined && asked <= stats.acknowledgedItems
  const gone = isConsumed ? '; it was consumed, and is overwritten or does not verify' : ''
  const message = `${path} has no item ${what} now: ${waits}${gone}`
  return new CommandError(EXIT.nothingNow, 'CLI_NO_ITEM', message, { device: path })
}
