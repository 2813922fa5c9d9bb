import type { LeaseState } from '../ring/lease-types.ts'
import { grouped, safeText } from './render.ts'

/** What a lease says, on one line. */
export function leaseText(role: string, state: LeaseState): string {
  return safeText(`${role.padEnd(8)}  ${describe(state)}`)
}

function describe(state: LeaseState): string {
  if (state.status === 'never') return 'never leased'
  if (state.status === 'damaged') {
    return `damaged: ${state.field}: expected ${state.expected}, found ${state.found}`
  }
  const { status, owner, epoch, counter, timeoutMs, time } = state
  const by = JSON.stringify(owner)
  const who = status === 'held' ? `held by ${by}` : `free; last held by ${by}`
  const when = status === 'held' ? 'last renewed' : 'given back'
  return (
    `${who}, ${when} at ${dateOf(time)} by that host's clock; timeout ${timeoutMs / 1000} s, ` +
    `taken ${grouped(epoch)} times, written ${grouped(counter)} times`
  )
}

function dateOf(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}
