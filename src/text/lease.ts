import type { LeaseState, UnreadableLease } from '../ring/lease-types.ts'
import { counted, isoTime, safeText } from './render.ts'

/** Describes a lease on one line. `when` formats a time in milliseconds since 1970, with its preposition. */
export function describeLease(
  state: LeaseState | UnreadableLease,
  when: (ms: number) => string = (ms) => `at ${isoTime(ms)}`,
): string {
  if (state.status === 'unreadable') return state.problem
  if (state.status === 'never') return 'never leased'
  if (state.status === 'damaged') {
    return safeText(`damaged: ${state.field}: expected ${state.expected}, found ${state.found}`)
  }
  const { status, epoch, counter, timeoutMs, time } = state
  const by = safeText(JSON.stringify(state.owner))
  const who = status === 'held' ? `held by ${by}` : `free; last held by ${by}`
  const at = when(time)
  const since =
    status === 'held'
      ? `last renewed ${at} by that host's clock`
      : `released, or broken by another host, ${at} by that host's clock`
  return (
    `${who}, ${since}; timeout ${timeoutMs / 1000} s, ` +
    `taken ${counted(epoch, 'time')}, written ${counted(counter, 'time')}`
  )
}
