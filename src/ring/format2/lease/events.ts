import { type Channel, channel } from '../../../util/diagnostics.ts'
import type { Role } from '../../roles.ts'

/** What is published on the diagnostics channel `shared-block-ring:lease`, by the host that has the lease. */
export type LeaseEvent = {
  /** The device's `name`. */
  readonly device: string
  /** The role that is leased. */
  readonly role: Role
  /** The host, as it calls itself. */
  readonly owner: string
  /** How long it may be silent, in milliseconds. */
  readonly timeoutMs: number
} & (
  | { readonly event: 'taken' }
  | {
      readonly event: 'renewed'
      /** How long that took, in milliseconds: the record is read and written. */
      readonly durationMs: number
    }
  | {
      /** The role is lost: what was under way does not count. */
      readonly event: 'lost'
      /** Why. */
      readonly error: unknown
    }
  | { readonly event: 'released' }
)

/** Where {@link LeaseEvent}s are published. */
export const leaseEvents: Channel = channel('shared-block-ring:lease')
