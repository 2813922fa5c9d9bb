import type { OptionKinds } from '../../util/options.ts'
import type { AttachOptions, ConsumerOptions } from '../types.ts'
import type { WaitOptions } from './poll.ts'

/** What the options of both ends have to be. */
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

/** Those of a consumer alone. */
export const CONSUMER_KINDS: OptionKinds<Omit<ConsumerOptions, keyof AttachOptions>> = {
  onDamage: { oneOf: ['stop', 'skip'] },
  answerRequests: 'boolean',
}
