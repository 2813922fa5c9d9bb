import type { RingLeases } from '../../ring/access/lease.ts'
import type { LeaseState, UnreadableLease } from '../../ring/lease-types.ts'
import { describeLease } from '../../text/lease.ts'
import type { Style } from './style.ts'

/** The leases of a ring as text, one line each. */
export function leasesText({ uuid, producer, consumer }: RingLeases, style: Style): string {
  const held = producer.status === 'held' || consumer.status === 'held'
  const copies = held ? '; on a copy of the device the holder may be running on the original' : ''
  return [
    leaseText('producer', producer, style),
    leaseText('consumer', consumer, style),
    `ring      ${uuid}${copies}`,
  ].join('\n')
}

/** A lease on one line. */
function leaseText(role: string, state: LeaseState | UnreadableLease, style: Style): string {
  return `${role.padEnd(8)}  ${describeLease(state, style.when)}`
}
