import type { OptionKinds } from '../util/options.ts'
import type { NewRingOptions } from './types.ts'

/** Types of the options of a new ring. */
export const NEW_RING_KINDS: OptionKinds<NewRingOptions> = {
  format: { oneOf: [1, 2] },
  onFull: { oneOf: ['wait', 'overwrite'] },
  blockSize: 'number',
  name: 'string',
  uuid: 'object',
  clock: 'object',
}
