// Times of a group, in milliseconds: what is guaranteed, and what a run is built around.
import { LONGEST_POLL_MS, REQUESTS_MS } from '../ring/waiting-check.ts'

/** Of the leases that members on two machines have. */
export const LEASE_MS = 5000
/** How soon another member has a dead member's ring, on one machine. */
export const MOVED_MS = 1000
/** How soon a ring that a member released has another holder, between machines, which both check now and then. */
export const HANDED_OVER_MS: number = 2500 + 2500
/** How soon another member has a dead one's ring, between machines: its lease is watched and taken over. */
export const TAKEN_OVER_MS: number = 1.25 * LEASE_MS + HANDED_OVER_MS
/** How long a ring that failed is left alone. */
export const RETRY_MS = 5000
/** How long a host that hung may be taken for a dead one. */
export const SUSPECT_MS: number = 3 * LEASE_MS
/** How soon rings are shared fairly once all is calm. */
export const FAIR_MS = 5000
/** After this much more time, no ring moves for `STEADY_MS`. */
export const SETTLED_MS = 2000
export const STEADY_MS = 1200
/** How soon everything that was pushed is handled and acknowledged. */
export const DONE_MS = 15_000
/** How soon all members are back. */
export const BACK_MS = 20_000
/**
 * How soon a member that waits receives an item: in its longest pause without reports of changes, and in the time that
 * requests take.
 */
export const RECEIVED_MS: number = LONGEST_POLL_MS + REQUESTS_MS
