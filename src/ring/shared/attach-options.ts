import { checkRange, checkWhole } from '../../util/numbers.ts'
import type { OptionKinds } from '../../util/options.ts'
import type { AttachOptions, ConsumerOptions } from '../types.ts'

/** Types of the options of both roles. */
export const ATTACH_KINDS: OptionKinds<AttachOptions> = {
  queue: 'string',
  client: 'string',
  clock: 'object',
  signal: 'signal',
  refreshIntervalMs: 'number',
  maxItemBytes: 'number',
  lease: 'object',
}

/** Types of the options of a consumer. */
export const CONSUMER_KINDS: OptionKinds<ConsumerOptions> = {
  ...ATTACH_KINDS,
  onDamage: { oneOf: ['stop', 'skip'] },
  answerRequests: 'boolean',
}

/**
 * Validates the options of a role, except its lease.
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
