import type { BlockHolder } from '../../block/device.ts'
import { type RingState, ROLES, type Role } from '../../metrics/survey.ts'
import type { RingHolders } from '../../ring/holders.ts'
import type { RingLeases } from '../../ring/lease.ts'
import { percent } from '../output/render.ts'
import { humanTime } from '../output/style.ts'

/** What is known of a ring, besides its state. */
export interface Circumstances {
  readonly device: string
  readonly holders: RingHolders
  /** Undefined in format 1. */
  readonly leases: RingLeases | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

/** A ring whose consumer keeps up is hardly ever so full. */
const FULL = 0.9
/** A consumer that acknowledges nothing for so long while items wait may hang. */
const PATIENCE_MS = 60_000

/** What keeps a ring from its work, each with the command that leads out of it. */
export function nextSteps(state: RingState, known: Circumstances): readonly string[] {
  return [
    ...suspended(state, known),
    ...full(state, known),
    ...ROLES.flatMap((role) => held(role, state, known)),
    ...ROLES.flatMap((role) => leased(role, known)),
    ...((state.unreadable ?? []).length > 0
      ? [`a part cannot be read; what that costs: sbr repair ${known.device} --zero-unreadable`]
      : []),
  ]
}

function suspended(
  { producer: { suspendAck }, consumer: { suspend } }: RingState,
  { device, holders }: Circumstances,
): readonly string[] {
  if (!suspend && !suspendAck) return []
  if (suspend) return [`nothing is pushed until it is resumed: sbr resume ${device}`]
  if (holders.producer !== undefined) return []
  return ['it goes on as soon as a producer sees that it is resumed: start one']
}

function full(
  { used, capacity, ring }: RingState,
  { device, holders }: Circumstances,
): readonly string[] {
  const share = used / capacity
  if (share < FULL || ring?.onFull === 'overwrite') return []
  const larger = `for more room: sbr migrate ${device} NEW --size SIZE`
  return holders.consumer === undefined
    ? [
        `${percent(share)} full, and no consumer is at work on this machine: start it, or see the items: ` +
          `sbr consume ${device}; ${larger}`,
      ]
    : [`${percent(share)} full: its consumer does not keep up; ${larger}`]
}

function held(role: Role, state: RingState, known: Circumstances): readonly string[] {
  const holder = known.holders[role]
  if (holder === undefined) return []
  if (holder.pid === undefined) return [silent(role, holder, known.device)]
  const { waitingItems = 0, stats } = state
  if (role === 'producer' || waitingItems === 0 || stats === undefined) return []
  // It had nothing to do before the oldest item came.
  const idleSince = Math.max(stats.consumerAt, stats.oldestAt ?? stats.consumerAt)
  if (known.now - idleSince < PATIENCE_MS) return []
  return [
    `the consumer has acknowledged nothing since ${humanTime(idleSince, known.now)}, and items wait: see its log; ` +
      `if it hangs, end it: kill ${holder.pid}`,
  ]
}

function silent(role: Role, { holder }: BlockHolder, device: string): string {
  const [, pid] = /^process (\d+) /.exec(holder) ?? []
  const end =
    pid === undefined ? `fuser -v ${device} lists the processes that have it open` : `kill ${pid}`
  return `the ${role} does not answer; if it hangs, end it: ${end}`
}

function leased(role: Role, { device, leases, now }: Circumstances): readonly string[] {
  const lease = leases?.[role]
  if (lease?.status === 'unreadable')
    return [`the ${role}'s lease cannot be read: sbr repair ${device} --zero-unreadable`]
  if (lease?.status === 'damaged')
    return [
      `the ${role}'s lease is damaged, and nobody can take the role: ${breakBy(device, role)}`,
    ]
  if (lease?.status !== 'held' || now - lease.time < 2 * lease.timeoutMs) return []
  const owner = JSON.stringify(lease.owner)
  return [
    `${owner} leases the ${role}'s role and was last heard of ${humanTime(lease.time, now)}; if that host is gone ` +
      `for good: ${breakBy(device, role)}`,
  ]
}

function breakBy(device: string, role: Role): string {
  return `sbr lease break ${device} --role ${role}`
}
