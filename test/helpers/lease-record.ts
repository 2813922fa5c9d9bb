import type { LeaseRecord } from '../../src/ring/lease-types.ts'

/** What a host at work has written. */
export const RECORD: LeaseRecord = {
  status: 'held',
  confirmed: true,
  owner: 'host-a',
  nonce: '00112233445566ff',
  epoch: 3,
  counter: 12,
  timeoutMs: 30_000,
  time: 1_700_000_000_000,
}
