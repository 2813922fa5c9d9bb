import { isRingError } from '../../errors.ts'
import type { RingInspection } from '../../ring/inspection.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { CommandError, EXIT } from '../errors.ts'

/** The last items are in memory before the first of them is printed: at most this much, unless it is a single one. */
const KEPT_BYTES = 64 << 20
/** Memory of an item besides its bytes. */
const ITEM_BYTES = 200

/** The last items, oldest first, and why there are not more of them, if that is an error. */
export interface LastItems {
  readonly items: readonly PoppedItem[]
  readonly problem?: unknown
}

/**
 * The last waiting items, or the last consumed ones.
 * @throws {CommandError} `CLI_TOO_MUCH`
 * @throws the signal's reason
 */
export async function lastItems(
  state: RingInspection,
  count: number,
  consumed: boolean,
  signal: AbortSignal,
): Promise<LastItems> {
  // Records of format 1 can only be found forward.
  const isForward = state.format === 1 && !consumed
  const items: PoppedItem[] = []
  let bytes = 0
  try {
    for await (const popped of isForward ? state.items() : from(state, consumed)) {
      signal.throwIfAborted()
      items.push(popped)
      bytes += popped.item.length + ITEM_BYTES
      if (isForward && items.length > count) bytes -= (items.shift()?.item.length ?? 0) + ITEM_BYTES
      if (bytes > KEPT_BYTES && items.length > 1) throw tooMany(items.length - 1, count)
      if (!isForward && items.length === count) break
    }
  } catch (problem) {
    if (!isRingError(problem)) throw problem
    return { items: isForward ? items : items.reverse(), problem }
  }
  return { items: isForward ? items : items.reverse() }
}

function from(state: RingInspection, consumed: boolean): AsyncIterable<PoppedItem> {
  return consumed ? state.consumed() : state.newest()
}

function tooMany(fit: number, count: number): CommandError {
  const message = `the last ${count} items take more memory than 64 MiB: ask for fewer, such as -n ${fit}`
  return new CommandError(EXIT.fault, 'CLI_TOO_MUCH', message, { count, fit })
}
