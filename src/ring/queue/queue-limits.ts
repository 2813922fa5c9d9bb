import { checkRange } from '../../util/numbers.ts'
import type { OptionKinds } from '../../util/options.ts'

/** What bounds the pushes that wait, in a writer, a journal and a page. */
export interface QueueLimits {
  readonly maxQueuedItems?: number
  readonly maxQueuedBytes?: number
}

/** Types of these. */
export const QUEUE_KINDS: OptionKinds<QueueLimits> = {
  maxQueuedItems: 'number',
  maxQueuedBytes: 'number',
}

/**
 * @param most the most items; without it, any number
 * @throws {RangeError} one of them is out of range
 */
export function checkQueueLimits(limits: QueueLimits, most?: number): void {
  const { maxQueuedItems = 1, maxQueuedBytes = 1 } = limits
  checkRange({ maxQueuedItems }, 1, most)
  checkRange({ maxQueuedBytes }, 1)
}
