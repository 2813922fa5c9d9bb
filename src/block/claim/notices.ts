import { channel } from '../../util/diagnostics.ts'
import type { Peer } from '../native/sockets.ts'

/** What is published on {@link CLAIM_CHANNEL}. */
export type ClaimNotice =
  /** Somebody who is no holder occupies a name of the role, and was passed over. Requests may not reach the holder meanwhile. */
  | {
      readonly event: 'stranger'
      readonly device: string
      readonly role: string
      readonly reason: string
      /** Who it is, as the kernel says. */
      readonly pid?: number
      readonly uid?: number
    }
  /**
   * Somebody keeps a lock for reading in the way of the role's, which takes no more than the right to read the file. The role is
   * kept by its names alone: other containers do not notice it.
   */
  | { readonly event: 'obstructed'; readonly device: string; readonly role: string }

/** The diagnostics channel that tells who stands in the way of a claim without being a holder. */
export const CLAIM_CHANNEL = 'shared-block-ring:claim'

const notices = channel(CLAIM_CHANNEL)

export function reportStranger(stranger: {
  readonly device: string
  readonly role: string
  readonly reason: string
  readonly peer: Peer | undefined
}): void {
  const { peer, ...rest } = stranger
  publish({ event: 'stranger', ...rest, ...(peer && { pid: peer.pid, uid: peer.uid }) })
}

export function reportObstruction(device: string, role: string): void {
  publish({ event: 'obstructed', device, role })
}

function publish(notice: ClaimNotice): void {
  if (notices.hasSubscribers) notices.publish(notice)
}
