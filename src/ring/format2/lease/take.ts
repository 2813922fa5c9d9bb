import type { Clock } from '../../../clock.ts'
import type { LeaseOptions, LeaseRecord, LeaseState } from '../../lease-types.ts'
import { newNonce, TIMEOUT_MS } from '../disk/lease-block.ts'
import { breakCommand, leaseDamaged, leasedBy, leaseLost } from './errors.ts'
import { Lease } from './lease.ts'
import type { LeaseStore } from './store.ts'
import {
  elapsed,
  leapOf,
  moment,
  READ_BACK_MS,
  REREAD_MS,
  REREAD_PART,
  SILENT_PART,
  TAKE_MS,
} from './time.ts'

/** The options for taking a lease. */
export interface LeaseRequest extends LeaseOptions {
  /** Ends the wait for another holder. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Takes a role's lease. This takes 2.5 s if the lease is free. If another host holds it, it takes until that host is
 * known to run or is fenced.
 * @throws {RingError} `RING_LEASED`, `RING_CORRUPT`, `RING_LEASE_LOST` if the storage is too slow
 * @throws the signal's reason
 */
export async function takeLease(
  store: LeaseStore,
  clock: Clock,
  options: LeaseRequest,
): Promise<Lease> {
  const { owner, timeoutMs = TIMEOUT_MS.default, signal } = options
  const seen = sound(store, await store.read())
  const own = seen.status === 'held' && options.reclaim === true && seen.owner === owner
  const waits = seen.status === 'held' && !(own && seen.confirmed)
  if (waits) await outlast(store, clock, seen, options, own)
  signal?.throwIfAborted()

  // Another host may be taking the lease too. A host that is late gives up; the others have all written before any of
  // them relies on the record.
  const begun = moment(clock)
  if (waits) await store.checkPlace()
  const last = sound(store, await store.read())
  if (last.status === 'held' && !isSame(last, seen)) {
    throw leasedBy(store, last, 'it was faster; try again later')
  }
  const before = last.status === 'never' ? { epoch: 0, counter: 0 } : last
  const record: LeaseRecord = {
    status: 'held',
    confirmed: false,
    owner,
    nonce: newNonce(),
    epoch: before.epoch + 1,
    counter: before.counter + 1,
    timeoutMs,
    time: clock.time(),
  }
  const since = moment(clock)
  const checkTime = (): void => {
    if (elapsed(begun, clock) <= TAKE_MS) return
    const leap = leapOf(begun, clock, TAKE_MS)
    throw leaseLost(store, leap ?? `the storage took more than ${TAKE_MS / 1000} s to take it`)
  }
  await store.write(record, checkTime)
  checkTime()
  // Not abortable: the record would remain, with no host to renew it.
  await clock.sleep(READ_BACK_MS)
  const back = sound(store, await store.read())
  if (back.status === 'held' && !isSame(back, record)) {
    throw leasedBy(store, back, 'it was faster; try again later')
  }
  if (!isSame(record, back)) throw leaseLost(store, 'it was broken meanwhile')
  const lease = new Lease(store, clock, record, since)
  try {
    await lease.confirm()
    signal?.throwIfAborted()
  } catch (error) {
    await lease.release()
    throw error
  }
  return lease
}

/**
 * Waits until the holder must have given up, and fences it. An unconfirmed record of an earlier run of our own is
 * waited out too: its write may have come late, and have overwritten the record of a running holder.
 */
async function outlast(
  store: LeaseStore,
  clock: Clock,
  holder: LeaseRecord,
  { fence, unfenced = false, onWatch, signal }: LeaseRequest,
  own: boolean,
): Promise<void> {
  if (fence === undefined && !unfenced && !own) {
    const advice =
      'while it is running, wait for it to end; a silent host loses the role only to a fence or, if it is gone ' +
      `for good, after ${breakCommand(store)}`
    throw leasedBy(store, holder, advice)
  }
  onWatch?.(holder, holder.timeoutMs * SILENT_PART)
  if (await isFreedMeanwhile(store, clock, holder, signal)) return
  if (own) return
  try {
    await fence?.(holder)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw leasedBy(store, holder, `it is silent, but could not be fenced: ${reason}`, error)
  }
}

/**
 * Watches a record until its holder must have given up by our own clock, from after the first read until before the
 * last.
 * @returns whether it was freed meanwhile
 * @throws {RingError} `RING_LEASED`: its holder is running
 */
async function isFreedMeanwhile(
  store: LeaseStore,
  clock: Clock,
  holder: LeaseRecord,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const watchedMs = holder.timeoutMs * SILENT_PART
  const begun = clock.now()
  for (;;) {
    const waited = clock.now() - begun
    const state = sound(store, await store.read())
    if (state.status !== 'held') return true
    if (!isSame(state, holder)) throw leasedBy(store, state, 'it is running')
    if (waited >= watchedMs) return false
    const step = Math.min(holder.timeoutMs * REREAD_PART, REREAD_MS, watchedMs - waited)
    await clock.sleep(step, signal)
  }
}

/** True if two records are the same write of the same holder. */
function isSame(one: LeaseRecord, other: LeaseState): boolean {
  const { status, nonce, counter } = one
  return status === other.status && nonce === other.nonce && counter === other.counter
}

/** @throws {RingError} `RING_CORRUPT` */
function sound(
  store: LeaseStore,
  state: LeaseState,
): Exclude<LeaseState, { readonly status: 'damaged' }> {
  if (state.status === 'damaged') throw leaseDamaged(store, state)
  return state
}
