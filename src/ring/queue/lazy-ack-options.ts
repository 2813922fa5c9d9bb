import { checkRange } from '../../util/numbers.ts'
import { checkOptions } from '../../util/options.ts'

/** When acknowledgements are written, whichever comes first. */
export interface LazyAckOptions {
  /**
   * After this many calls of `ack`, `ackAll` and `ackThrough` that let the ring advance, however many entries they acknowledge. `process` calls
   * once for what was handled since its last call. Default 1,000.
   */
  readonly maxCalls?: number
  /** This many milliseconds after the first of them. Default 100. */
  readonly maxDelayMs?: number
}

/** @throws {TypeError | RangeError} an option is less than 1, or there is no such option */
export function checkLazyAckOptions(options: LazyAckOptions): void {
  checkOptions('lazyAck', options, { maxCalls: 'number', maxDelayMs: 'number' })
  const { maxCalls = 1, maxDelayMs = 1 } = options
  checkRange({ 'lazyAck.maxCalls': maxCalls, 'lazyAck.maxDelayMs': maxDelayMs }, 1)
}
