import { channel } from '../../util/diagnostics.ts'
import type { Peer } from '../native/sockets.ts'

/** Published on the diagnostics channel `shared-block-ring:claim`. */
export type ClaimEvent =
  /**
   * A process that is not a holder occupies a name of the role, and was ignored. Until it is gone, requests may not
   * reach the holder.
   */
  | {
      readonly event: 'stranger'
      /** The device’s `name`. */
      readonly device: string
      /** The role. */
      readonly role: string
      /** The evidence that it is not a holder. */
      readonly reason: string
      /** The process, according to the kernel. */
      readonly pid?: number
      /** Its user, according to the kernel. */
      readonly uid?: number
    }
  /**
   * A read lock blocks the role's lock; it only takes the right to read the file. The role is protected by its names
   * alone: other containers do not notice it.
   */
  | {
      readonly event: 'obstructed'
      /** The device’s `name`. */
      readonly device: string
      /** The role. */
      readonly role: string
    }

/** The diagnostics channel of processes that obstruct a claim without being a holder. */
export const CLAIM_CHANNEL = 'shared-block-ring:claim'

const events = channel(CLAIM_CHANNEL)

export function publishStranger(stranger: {
  readonly device: string
  readonly role: string
  readonly reason: string
  readonly peer: Peer | undefined
}): void {
  const { peer, ...rest } = stranger
  publish({ event: 'stranger', ...rest, ...(peer && { pid: peer.pid, uid: peer.uid }) })
}

export function publishObstruction(device: string, role: string): void {
  publish({ event: 'obstructed', device, role })
}

function publish(event: ClaimEvent): void {
  if (events.hasSubscribers) events.publish(event)
}
