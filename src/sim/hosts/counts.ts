import type { MishapKind } from './plan.ts'

/** What runs of hosts did. */
export interface HostsCounts {
  seeds: number
  events: number
  requests: number
  /** Items whose writing was acknowledged. */
  acknowledged: number
  /** Fences of holders that were silent. */
  takeovers: number
  /** How often a host noticed that it no longer holds the role. */
  lost: number
  faults: Partial<Record<MishapKind, number>>
}

/** Zero of everything. */
export function noHostsCounts(): HostsCounts {
  return { seeds: 0, events: 0, requests: 0, acknowledged: 0, takeovers: 0, lost: 0, faults: {} }
}
