import type { BlockHolder } from '../../block/device.ts'
import type { SurveyedState } from '../../metrics/survey.ts'
import type { RingHolders } from '../../ring/access/holders.ts'
import type { RingLeases } from '../../ring/access/lease.ts'
import { NEARLY_FULL, STUCK_MS } from '../../ring/report/fill-and-age.ts'
import { ROLES, type Role } from '../../ring/roles.ts'
import { percent, spanOfTime } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
import { humanTime } from '../output/style.ts'

/** The circumstances of a ring, besides its state. */
export interface Circumstances {
  readonly device: string
  readonly holders: RingHolders
  /** Undefined in format 1. */
  readonly leases: RingLeases | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

/** An obstacle to a ring's work. */
export interface NextStep {
  readonly what: string
  /** The commands that resolve it, as they are typed. */
  readonly run: readonly string[]
}

/** The obstacles to a ring's work, each with the commands that resolve it. */
export function nextSteps(state: SurveyedState, known: Circumstances): readonly NextStep[] {
  return [
    ...suspended(state, known),
    ...full(state, known),
    ...ROLES.flatMap((role) => held(role, state, known)),
    ...ROLES.flatMap((role) => leased(role, known)),
    ...((state.unreadable ?? []).length > 0
      ? [step('a part cannot be read; this tells what that costs', repair(known.device))]
      : []),
  ]
}

function suspended(
  { producer: { suspendAck }, consumer: { suspend } }: SurveyedState,
  { device, holders }: Circumstances,
): readonly NextStep[] {
  if (!suspend && !suspendAck) return []
  if (suspend)
    return [step('nothing is pushed until it is resumed', `sbr resume ${shellWord(device)}`)]
  if (holders.producer !== undefined) return []
  return [step('it continues as soon as a producer sees that it is resumed: start one')]
}

function full(
  { usedBytes, capacityBytes, ring }: SurveyedState,
  { device, holders }: Circumstances,
): readonly NextStep[] {
  const share = usedBytes / capacityBytes
  if (share < NEARLY_FULL || ring?.onFull === 'overwrite') return []
  const larger = `sbr migrate ${shellWord(device)} NEW --size SIZE`
  const full = `${percent(share)} full`
  return holders.consumer === undefined
    ? [
        step(
          `${full}, and no consumer is at work on this machine: start it, take items by hand, or move to a larger ring`,
          ...[`sbr consume ${shellWord(device)}`, larger],
        ),
      ]
    : [step(`${full}: its consumer does not keep up; a larger ring gives it time`, larger)]
}

function held(role: Role, state: SurveyedState, known: Circumstances): readonly NextStep[] {
  const holder = known.holders[role]
  if (holder === undefined) return []
  if (holder.pid === undefined) return [silent(role, holder, known.device)]
  const { waitingItems = 0, stats } = state
  if (role === 'producer' || waitingItems === 0 || stats === undefined) return []
  // It had nothing to do before the oldest item came.
  const idleSince = Math.max(stats.consumerAt, stats.oldestAt ?? stats.consumerAt)
  if (known.now - idleSince < STUCK_MS) return []
  const span = spanOfTime(known.now - idleSince)
  return [
    step(
      `items wait, and the consumer has acknowledged nothing for ${span}: see its log; if it hangs, end it`,
      `kill ${holder.pid}`,
    ),
  ]
}

/** A process that is stopped, or in an endless loop, handles no signal; killing it loses nothing in the ring. */
function silent(role: Role, { holder }: BlockHolder, device: string): NextStep {
  const [, pid] = /^process (\d+) /.exec(holder) ?? []
  return pid === undefined
    ? step(
        `the ${role} does not answer: it is in another container, or hangs and has to be ended; it is one of these`,
        `fuser -v ${shellWord(device)}`,
      )
    : step(`the ${role} does not answer; if it hangs, end it`, `kill -KILL ${pid}`)
}

function leased(role: Role, { device, leases, now }: Circumstances): readonly NextStep[] {
  const lease = leases?.[role]
  if (lease?.status === 'unreadable')
    return [step(`the ${role}'s lease cannot be read; this tells what frees it`, repair(device))]
  if (lease?.status === 'damaged')
    return [
      step(`the ${role}'s lease is damaged, and no host can take the role`, breakBy(device, role)),
    ]
  if (lease?.status !== 'held' || now - lease.time < 2 * lease.timeoutMs) return []
  const owner = JSON.stringify(lease.owner)
  const last = humanTime(lease.time, now)
  return [
    step(
      `${owner} leases the ${role}'s role and was last heard of ${last}; if that host is gone for good`,
      breakBy(device, role),
    ),
  ]
}

function step(what: string, ...run: readonly string[]): NextStep {
  return { what, run }
}

function repair(device: string): string {
  return `sbr repair ${shellWord(device)} --zero-unreadable`
}

function breakBy(device: string, role: Role): string {
  return `sbr lease break ${shellWord(device)} --role ${role}`
}
