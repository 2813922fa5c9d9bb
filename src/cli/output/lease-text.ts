import type { RingLeases } from '../../ring/lease.ts'
import type { LeaseState, UnreadableLease } from '../../ring/lease-types.ts'
import { counted, safeText } from './render.ts'
import { EXACT, type Style } from './style.ts'

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
  return `${role.padEnd(8)}  ${describeLease(state, style)}`
}

/** The same without the role. */
export function describeLease(
  state: LeaseState | UnreadableLease,
  style: Pick<Style, 'when'> = EXACT,
): string {
  if (state.status === 'unreadable') return state.problem
  if (state.status === 'never') return 'never leased'
  if (state.status === 'damaged') {
    return safeText(`damaged: ${state.field}: expected ${state.expected}, found ${state.found}`)
  }
  const { status, epoch, counter, timeoutMs, time } = state
  const by = safeText(JSON.stringify(state.owner))
  const who = status === 'held' ? `held by ${by}` : `free; last held by ${by}`
  const at = style.when(time)
  const when =
    status === 'held'
      ? `last renewed ${at} by that host's clock`
      : `released, or broken by another host, ${at} by that host's clock`
  return (
    `${who}, ${when}; timeout ${timeoutMs / 1000} s, ` +
    `taken ${counted(epoch, 'time')}, written ${counted(counter, 'time')}`
  )
}
