import type { Clock } from '../../../clock.ts'
import type { LeaseRecord, LeaseState } from '../../lease-types.ts'
import { newNonce, TIMEOUT_MS } from '../disk/lease-block.ts'
import type { LeaseStore } from './store.ts'

/**
 * Frees a lease, even one of another host.
 * @returns its previous state; if it was free, nothing is written
 */
export async function freeLease(store: LeaseStore, clock: Clock): Promise<LeaseState> {
  const before = await store.read()
  if (before.status === 'held') {
    await store.write({ ...before, ...freed(clock), counter: before.counter + 1 })
  }
  if (before.status === 'damaged') await store.write({ ...UNKNOWN, ...freed(clock) })
  return before
}

/** Replaces a record that is unreadable or damaged, and whose owner is unknown. */
const UNKNOWN = {
  owner: 'unknown',
  confirmed: true,
  epoch: 1,
  counter: 1,
  timeoutMs: TIMEOUT_MS.default,
} as const

function freed(clock: Clock): Pick<LeaseRecord, 'status' | 'nonce' | 'time'> {
  return { status: 'free', nonce: newNonce(), time: clock.time() }
}
