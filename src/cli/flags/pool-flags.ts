import type { FlagParametersForType, TypedPositionalParameter } from '@stricli/core'
import type { PoolFlags } from '../device/pool.ts'
import { commonFlags, roleFlags } from './flags.ts'
import { leaseFlags } from './lease-flags.ts'

/** The name of a ring in a pool. */
export const ringName: TypedPositionalParameter<string> = {
  brief: 'Name of the ring: DEVICE#NAME for other commands',
  placeholder: 'NAME',
  parse: String,
}

export const poolFlags: FlagParametersForType<PoolFlags> = {
  ...leaseFlags,
  lease: {
    ...leaseFlags.lease,
    brief: 'Lease the pool, so that no other host changes it: OWNER is the name of this host alone',
  },
  client: roleFlags.client,
  ...commonFlags,
}
