import { checkRange } from '../../util/numbers.ts'
import type { OptionKinds } from '../../util/options.ts'

/** Limits of queued pushes, in a writer, a journal and a page. */
export interface QueueLimits {
  readonly maxQueuedItems?: number
  readonly maxQueuedBytes?: number
}

/** Types of these limits. */
export const QUEUE_KINDS: OptionKinds<QueueLimits> = {
  maxQueuedItems: 'number',
  maxQueuedBytes: 'number',
}

/**
 * @param most the largest limit for items; by default there is none
 * @throws {RangeError} one of them is out of range
 */
export function checkQueueLimits(limits: QueueLimits, most?: number): void {
  const { maxQueuedItems = 1, maxQueuedBytes = 1 } = limits
  checkRange({ maxQueuedItems }, 1, most)
  checkRange({ maxQueuedBytes }, 1)
}
