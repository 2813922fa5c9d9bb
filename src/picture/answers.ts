import { namesIn, roleText } from '../ring/names.ts'
import { NEARLY_FULL, STUCK_MS } from '../ring/report/fill-and-age.ts'
import type { Role } from '../ring/roles.ts'
import { counted, grouped, isoTime, percent, safeText, spanOfTime } from '../text/render.ts'
import type { Rates } from './history.ts'
import {
  type Damage,
  fillOfRing,
  isSeen,
  type RingSeen,
  type Snapshot,
  waitedOf,
} from './snapshot.ts'

/** The mood of an answer. */
export type Mood = 'good' | 'bad' | 'plain'

/** A question about a ring, and its answer, for people. */
export interface Answer {
  readonly name: AnswerName
  /** A word or two, for the head of a table. */
  readonly title: string
  readonly text: string
  readonly mood: Mood
}

export type AnswerName = 'waiting' | 'since' | 'producer' | 'consumer' | 'drain' | 'damage' | 'full'

/** A role that wrote this recently is certainly at work, on whatever host. */
const RECENT_MS = 10_000
/** A consumer that pops this part of what is pushed keeps up. */
const KEEPS_UP = 0.95
const HOUR_MS = 3_600_000

/** The questions that an operator asks at three in the morning, answered from one snapshot and the rates before it. */
export function answersOf(snapshot: Snapshot, rates: Rates | undefined): readonly Answer[] {
  if (!isSeen(snapshot)) {
    const { code, message } = snapshot.error
    return [{ name: 'damage', title: 'Device', text: safeText(`${code}: ${message}`), mood: 'bad' }]
  }
  return [
    waiting(snapshot),
    since(snapshot),
    ofRole(snapshot, 'producer'),
    ofRole(snapshot, 'consumer'),
    drain(snapshot, rates),
    full(snapshot, rates),
    damage(snapshot),
  ]
}

function waiting(ring: RingSeen): Answer {
  const answer = { name: 'waiting', title: 'Waiting' } as const
  const { log, waitingItems, waitingBytes = 0 } = ring
  const fill = fillOfRing(ring)
  if (log === undefined || fill === undefined)
    return { ...answer, text: 'unknown: the slots are damaged', mood: 'bad' }
  const mood = fill >= NEARLY_FULL ? 'bad' : 'plain'
  const room = `${percent(fill)} full`
  const what =
    waitingItems === undefined
      ? `${bytesText(log.used)} in use`
      : `${counted(waitingItems, 'item')}, ${bytesText(waitingBytes)}`
  return { ...answer, text: `${what}; ${room}`, mood }
}

function since(ring: RingSeen): Answer {
  const answer = { name: 'since', title: 'Since', mood: 'plain' } as const
  const { waitingItems, stats, format, log } = ring
  if (format === 1)
    return { ...answer, text: log?.used === 0 ? 'nothing waits' : 'format 1 records no times' }
  if (waitingItems === 0) return { ...answer, text: 'nothing waits' }
  const age = waitedOf(ring)
  if (age === undefined || stats?.oldestAt === undefined)
    return { ...answer, text: 'unknown: the oldest item is damaged', mood: 'bad' }
  return { ...answer, text: `${spanOfTime(age)}, from ${isoTime(stats.oldestAt)} on` }
}

function ofRole(ring: RingSeen, role: Role): Answer {
  const answer = { name: role, title: role === 'producer' ? 'Producer' : 'Consumer' }
  const { holder, lease, writtenAt, text } = ring[role]
  const age = writtenAt === undefined ? undefined : Math.max(0, ring.at - writtenAt)
  const wrote = age === undefined ? '' : `; last wrote ${spanOfTime(age)} ago`
  const suspended =
    role === 'consumer' || ring.suspended === 'no'
      ? ''
      : ring.suspended === 'yes'
        ? '; suspended'
        : '; asked to pause'
  const rest = `${suspended}${wrote}`
  const told = (what: string, mood: Mood): Answer => ({
    ...answer,
    text: safeText(`${what}${rest}`),
    mood,
  })
  const stuckFor = role === 'consumer' ? idleMs(ring, age) : 0
  const present = (what: string): Answer =>
    stuckFor < STUCK_MS
      ? told(`at work: ${what}`, 'good')
      : told(`stuck: nothing acknowledged for ${spanOfTime(stuckFor)} by ${what}`, 'bad')
  if (holder != null) {
    const { pid, host, holder: name } = holder
    const where = [
      ...(pid === undefined ? [] : [`, process ${pid}`]),
      ...(host === undefined ? [] : [` on ${host}`]),
    ]
    return present([name, ...where].join(''))
  }
  if (lease?.status === 'held') {
    const renewed = Math.max(0, ring.at - lease.time)
    const silent = renewed > lease.timeoutMs
    const when = `renewed ${spanOfTime(renewed)} ago`
    return silent
      ? told(`silent: lease of ${lease.owner}, ${when}`, 'bad')
      : present(`lease of ${lease.owner}, ${when}`)
  }
  if (age !== undefined && age < RECENT_MS && holder === undefined) return told('at work', 'good')
  const busy = role === 'consumer' && (ring.log?.used ?? 0) > 0
  const nobody = holder === null ? 'nobody on this machine' : 'unknown'
  const names = namesIn(text)
  const last = text === '' ? '' : ` (last: ${names === undefined ? text : roleText(names)})`
  return told(`${nobody}${last}`, busy ? 'bad' : 'plain')
}

/** Time that items have waited while the consumer wrote nothing, although it could have. */
function idleMs(ring: RingSeen, sinceWrite: number | undefined): number {
  const oldest = waitedOf(ring)
  return sinceWrite === undefined || oldest === undefined ? 0 : Math.min(sinceWrite, oldest)
}

function drain(ring: RingSeen, rates: Rates | undefined): Answer {
  const answer = { name: 'drain', title: 'Drains' } as const
  if (rates === undefined) return { ...answer, text: 'not measured', mood: 'plain' }
  const { pushed, acknowledged, growth } = rates
  if (growth === undefined) return { ...answer, text: 'being measured', mood: 'plain' }
  const speed =
    pushed === undefined || acknowledged === undefined
      ? `${bytesText(Math.abs(growth))} a second ${growth > 0 ? 'more' : 'less'}`
      : `${rateText(acknowledged)} out, ${rateText(pushed)} in`
  const told = (what: string, mood: Mood): Answer => ({
    ...answer,
    text: `${what}; ${speed}`,
    mood,
  })
  const used = ring.log?.used ?? 0
  if (used === 0) return told('empty', 'plain')
  if (
    acknowledged !== undefined &&
    acknowledged > 0 &&
    acknowledged >= KEEPS_UP * (pushed ?? 0) &&
    growth >= 0
  )
    return told('keeps up', 'good')
  if (growth < 0) return told(`empty in ${spanOfTime((used / -growth) * 1000)}`, 'good')
  if (acknowledged !== undefined && acknowledged > 0) return told('slower than it fills', 'bad')
  return told('not draining', growth > 0 ? 'bad' : 'plain')
}

function full(ring: RingSeen, rates: Rates | undefined): Answer {
  const answer = { name: 'full', title: 'Full' } as const
  if (ring.ring?.onFull === 'overwrite')
    return { ...answer, text: 'never: it overwrites the oldest items', mood: 'plain' }
  const ms = fullInMs(ring, rates)
  if (ms === undefined) {
    const text = rates === undefined ? 'not measured' : 'being measured'
    return { ...answer, text, mood: 'plain' }
  }
  if (ms === 0) return { ...answer, text: 'it is full', mood: 'bad' }
  if (ms > HOUR_MS) {
    const when = Number.isFinite(ms) ? `in ${spanOfTime(ms)} at this rate` : 'it does not grow'
    return { ...answer, text: `not within the hour: ${when}`, mood: 'good' }
  }
  return { ...answer, text: `in ${spanOfTime(ms)} at this rate`, mood: 'bad' }
}

/** Time until the ring is full, in milliseconds: infinite if it does not grow, undefined if unknown. */
export function fullInMs({ log, data }: RingSeen, rates: Rates | undefined): number | undefined {
  if (log === undefined) return undefined
  const free = data.bytes - log.used
  if (free <= 0) return 0
  if (rates?.growth === undefined) return undefined
  return rates.growth > 0 ? (free / rates.growth) * 1000 : Number.POSITIVE_INFINITY
}

function damage(ring: RingSeen): Answer {
  const answer = { name: 'damage', title: 'Damage' } as const
  const skipped = ring.stats?.damagedItems ?? 0
  const past = skipped === 0 ? '' : `; ${counted(skipped, 'damaged item')} skipped so far`
  const found = ring.damage.filter(({ severity }) => severity === 'damage')
  const [first] = found
  if (first === undefined) {
    const warned = ring.damage.length === 0 ? '' : `; ${counted(ring.damage.length, 'warning')}`
    return { ...answer, text: `none seen in the metadata${warned}${past}`, mood: 'good' }
  }
  const more = found.length === 1 ? '' : `, and ${found.length - 1} more`
  return { ...answer, text: safeText(`${damageText(first)}${more}${past}`), mood: 'bad' }
}

/** The first words of an answer, and the rest of it. */
export function leadOf({ text }: Answer): readonly [lead: string, rest: string] {
  const at = text.search(/[:;,] | \(/)
  return at < 0
    ? [text, '']
    : [
        text.slice(0, at),
        text
          .slice(at)
          .replace(/^[:;,] /, '')
          .trim(),
      ]
}

/** A damaged structure and its damage. */
export function damageText({ structure, offset, problem }: Damage): string {
  return `${structure} at byte ${grouped(offset)}: ${problem}`
}

/** `1.5 MiB`. */
export function bytesText(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  if (bytes < 1024) return `${Math.round(bytes)} B`
  let value = bytes / 1024
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${units[unit] ?? ''}`
}

/** `120/s`. */
export function rateText(perSecond: number): string {
  const digits = perSecond < 10 ? 1 : 0
  return `${grouped(Number(perSecond.toFixed(digits)))}/s`
}
