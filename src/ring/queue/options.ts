import type { OptionKinds } from '../../util/options.ts'
import type { AttachOptions, ConsumerOptions } from '../types.ts'
import type { WaitOptions } from './poll.ts'

/** Types of the options of both roles. */
export const ATTACH_KINDS: OptionKinds<AttachOptions & WaitOptions> = {
  queue: 'string',
  client: 'string',
  clock: 'object',
  signal: 'object',
  refreshIntervalMs: 'number',
  maxItemBytes: 'number',
  lease: 'object',
  maxPollMs: 'number',
}

/** Types of the options of a consumer. */
export const CONSUMER_KINDS: OptionKinds<Omit<ConsumerOptions, keyof AttachOptions>> = {
  onDamage: { oneOf: ['stop', 'skip'] },
  answerRequests: 'boolean',
}
