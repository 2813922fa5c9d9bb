import { checkRange, checkWhole } from '../../util/numbers.ts'
import type { AttachOptions } from '../types.ts'

/**
 * Checks how a role is to be attached, but for its lease.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function checkAttachOptions(options: AttachOptions): void {
  const { queue = '', client = '', refreshIntervalMs = 0, maxItemBytes = 0 } = options
  checkRange({ refreshIntervalMs }, 0)
  checkWhole({ maxItemBytes }, 0)
  if (`${queue}${client}`.includes('\0')) {
    throw new TypeError('the names of queue and client cannot contain NUL')
  }
}
