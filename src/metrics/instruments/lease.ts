import type { LeaseEvent } from '../../ring/format2/lease/events.ts'
import { Histogram, LATENCIES } from '../histogram.ts'
import { instrumentOf, type MakeInstrument, one } from './instrument.ts'

interface LeaseRecordHeard {
  held: number
  lost: number
  /** The time of its last write, in seconds since 1970. */
  renewedAt: number | undefined
  timeout: number | undefined
  readonly times: Histogram
}

/** Instruments of leases that this process holds. */
export const leaseInstrument: MakeInstrument = instrumentOf<LeaseEvent, LeaseRecordHeard>({
  channel: 'shared-block-ring:lease',
  labels: {
    device: ({ device }) => device,
    role: ({ role }) => role,
    owner: ({ owner }) => owner,
  },
  start: () => ({
    ...{ held: 0, lost: 0, renewedAt: undefined, timeout: undefined },
    times: new Histogram(LATENCIES),
  }),
  hear: (record, event) => {
    const isHeld = event.event === 'taken' || event.event === 'renewed'
    record.held = Number(isHeld)
    record.timeout = event.timeoutMs / 1000
    if (isHeld) record.renewedAt = Date.now() / 1000
    if (event.event === 'lost') record.lost++
    if (event.event === 'renewed') record.times.observeMs(event.durationMs)
  },
  metrics: [
    one('gauge', 'own_lease_held', 'Whether this process holds the lease.', ({ held }) => held),
    one(
      'gauge',
      'own_lease_renewed_timestamp_seconds',
      'When this process last took or renewed the lease: the age is time() minus this.',
      ({ renewedAt }) => renewedAt,
    ),
    one(
      'gauge',
      'own_lease_timeout_seconds',
      'How long this process may be silent.',
      ({ timeout }) => timeout,
    ),
    one('histogram', 'own_lease_renewal_seconds', 'Time of a renewal.', ({ times }) => times),
    one('counter', 'own_lease_lost_total', 'How often the lease was lost.', ({ lost }) => lost),
  ],
})
