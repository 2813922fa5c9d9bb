import { type Channel, channel } from '../../../util/diagnostics.ts'
import type { Role } from '../../roles.ts'

/** Published on the diagnostics channel `shared-block-ring:lease` by the host that holds the lease. */
export type LeaseEvent = {
  /** The device's `name`. */
  readonly device: string
  /** The role that is leased. */
  readonly role: Role
  /** The name of the host, from its options. */
  readonly owner: string
  /** The longest silence that the lease allows, in milliseconds. */
  readonly timeoutMs: number
} & (
  | { readonly event: 'taken' }
  | {
      readonly event: 'renewed'
      /** Duration of reading and writing the record, in milliseconds. */
      readonly durationMs: number
    }
  | {
      /** The role is lost, and requests in progress do not count. */
      readonly event: 'lost'
      /** The reason. */
      readonly error: unknown
    }
  | { readonly event: 'released' }
)

/** The channel of {@link LeaseEvent}s. */
export const leaseEvents: Channel = channel('shared-block-ring:lease')
