import type { RingSurvey } from '../../metrics/survey.ts'
import type { LeaseState, UnreadableLease } from '../../ring/lease-types.ts'
import { fillOf, oldestAgeOf } from '../../ring/report/fill-and-age.ts'
import { ROLES, type Role } from '../../ring/roles.ts'
import { describeLease } from '../../text/lease.ts'
import { counted, percent, spanOfTime } from '../../text/render.ts'
import type { Surveyed } from './survey.ts'

/** The limits of a ring. */
export interface Limits {
  /** Of the oldest waiting item, in milliseconds. */
  readonly maxAge?: number
  /** From 0 to 1. */
  readonly maxFill?: number
  /** Of leases, in milliseconds. */
  readonly maxLeaseAge?: number
  /** Roles that a process on this machine has to hold. */
  readonly atWork?: readonly Role[]
}

/** A problem of a device. */
export interface Problem {
  readonly what: 'device' | 'unreadable' | 'age' | 'fill' | 'lease' | 'leaseAge' | 'atWork'
  /** For people. */
  readonly message: string
  readonly role?: Role
  /** The code of an error. */
  readonly code?: string
}

/** All problems. An unknown value that has a limit is a problem too. */
export function problemsOf(survey: Surveyed, limits: Limits): readonly Problem[] {
  if ('error' in survey) {
    const { code, message } = survey.error
    return [{ what: 'device', code, message }]
  }
  return [
    ...unreadable(survey),
    ...tooOld(survey, limits),
    ...tooFull(survey, limits),
    ...brokenLeases(survey),
    ...staleLeases(survey, limits),
    ...notAtWork(survey, limits),
  ]
}

function unreadable({ state }: RingSurvey): readonly Problem[] {
  const bytes = state.unreadable?.reduce((sum, range) => sum + range.bytes, 0) ?? 0
  if (bytes === 0) return []
  return [{ what: 'unreadable', message: `${counted(bytes, 'byte')} cannot be read` }]
}

function tooOld(survey: RingSurvey, { maxAge }: Limits): readonly Problem[] {
  const { state } = survey
  if (maxAge === undefined || state.usedBytes === 0 || state.waitingItems === 0) return []
  const age = oldestAgeOf(survey.at, state.stats)
  const unknown = (why: string): readonly Problem[] => [
    { what: 'age', message: `the age of the oldest item is unknown: ${why}` },
  ]
  if (state.format === 1) return unknown('format 1 records no times')
  if (age === undefined) return unknown('it is damaged')
  if (age < -maxAge) return unknown(`it was pushed ${spanOfTime(-age)} from now, by another clock`)
  if (age <= maxAge) return []
  const message = `the oldest item has waited ${spanOfTime(age)}, more than ${spanOfTime(maxAge)}`
  return [{ what: 'age', message }]
}

function tooFull({ state }: RingSurvey, { maxFill }: Limits): readonly Problem[] {
  const fill = fillOf(state)
  if (maxFill === undefined || fill <= maxFill) return []
  return [{ what: 'fill', message: `${percent(fill)} full, more than ${percent(maxFill)}` }]
}

/** Such a lease counts as held, and no host can take the role. */
function brokenLeases({ leases }: RingSurvey): readonly Problem[] {
  return ROLES.flatMap((role): readonly Problem[] => {
    const lease = leases?.[role]
    if (lease?.status !== 'damaged' && lease?.status !== 'unreadable') return []
    return [{ what: 'lease', role, message: `the ${role}'s lease: ${describeLease(lease)}` }]
  })
}

function staleLeases(survey: RingSurvey, { maxLeaseAge }: Limits): readonly Problem[] {
  if (maxLeaseAge === undefined) return []
  const { leases } = survey
  if (leases === undefined) return [{ what: 'leaseAge', message: 'format 1 has no leases' }]
  if (ROLES.every((role) => leases[role].status === 'never'))
    return [{ what: 'leaseAge', message: 'no role was ever leased' }]
  return ROLES.flatMap((role) => staleLease(survey.at, role, leases[role], maxLeaseAge))
}

function staleLease(
  now: number,
  role: Role,
  lease: LeaseState | UnreadableLease,
  maxLeaseAge: number,
): readonly Problem[] {
  if (!('owner' in lease)) return []
  const age = now - lease.time
  if (Math.abs(age) <= maxLeaseAge) return []
  const when = age < 0 ? `${spanOfTime(-age)} from now, by another clock` : `${spanOfTime(age)} ago`
  const done = lease.status === 'free' ? 'freed' : 'last renewed'
  const message = `the ${role}'s lease was ${done} ${when}; ${spanOfTime(maxLeaseAge)} are allowed`
  return [{ what: 'leaseAge', role, message }]
}

function notAtWork({ holders }: RingSurvey, { atWork = [] }: Limits): readonly Problem[] {
  if (holders === undefined && atWork.length > 0)
    return [{ what: 'atWork', message: 'the device does not tell which roles are held' }]
  return atWork
    .filter((role) => holders?.[role] === undefined)
    .map((role) => ({ what: 'atWork', role, message: `no ${role} is at work on this machine` }))
}
