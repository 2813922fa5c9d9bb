import { checkRange } from '../../util/numbers.ts'
import { checkOptions } from '../../util/options.ts'

/** Acknowledgements are written at whichever limit comes first. */
export interface LazyAckOptions {
  /**
   * The most calls of `ack`, `ackAll` and `ackThrough` that let the ring advance, however many entries each
   * acknowledges. `process` makes one call for all items handled since its last one. Default 1,000.
   */
  readonly maxCalls?: number
  /** The time after the first of them, in milliseconds. Default 100. */
  readonly maxDelayMs?: number
}

/** @throws {TypeError | RangeError} an option is less than 1, or unknown */
export function checkLazyAckOptions(options: LazyAckOptions): void {
  checkOptions('lazyAck', options, { maxCalls: 'number', maxDelayMs: 'number' })
  const { maxCalls = 1, maxDelayMs = 1 } = options
  checkRange({ 'lazyAck.maxCalls': maxCalls, 'lazyAck.maxDelayMs': maxDelayMs }, 1)
}
