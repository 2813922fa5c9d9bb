import type { LeaseState, UnreadableLease } from '../ring/lease-types.ts'
import { counted, safeText } from './render.ts'

/** What a lease says, on one line. */
export function leaseText(role: string, state: LeaseState | UnreadableLease): string {
  return `${role.padEnd(8)}  ${describeLease(state)}`
}

/** The same without the role. */
export function describeLease(state: LeaseState | UnreadableLease): string {
  if (state.status === 'unreadable') return state.problem
  if (state.status === 'never') return 'never leased'
  if (state.status === 'damaged') {
    return safeText(`damaged: ${state.field}: expected ${state.expected}, found ${state.found}`)
  }
  const { status, epoch, counter, timeoutMs, time } = state
  const by = safeText(JSON.stringify(state.owner))
  const who = status === 'held' ? `held by ${by}` : `free; last held by ${by}`
  const when = status === 'held' ? 'last renewed' : 'given back'
  return (
    `${who}, ${when} at ${dateOf(time)} by that host's clock; timeout ${timeoutMs / 1000} s, ` +
    `taken ${counted(epoch, 'time')}, written ${counted(counter, 'time')}`
  )
}

function dateOf(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}
