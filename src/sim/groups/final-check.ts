import type { Clock } from '../../clock.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { Violation } from '../runs/violation.ts'
import { nameOf, Random } from '../world/random.ts'
import { untilTrue } from '../world/until-true.ts'
import type { GroupsRun } from './run.ts'
import {
  BACK_MS,
  DONE_MS,
  FAIR_MS,
  HANDED_OVER_MS,
  RETRY_MS,
  SETTLED_MS,
  STEADY_MS,
  TAKEN_OVER_MS,
} from './times.ts'
import { waitingCheck } from './waiting-check.ts'

/**
 * Runs after the faults: rings are shared fairly, also after a member has left and after it has joined again.
 * Everything is handled and acknowledged, and items that come after a quiet time are received.
 */
export async function finalCheck(run: GroupsRun): Promise<void> {
  const { plan, world, oracle, rings, members, producers } = run
  world.healed = true
  world.trace(() => 'from now on nothing goes wrong')
  const { clock } = rings.outside('checker')
  const isBack = (): boolean =>
    members.every(({ process, actor }) => {
      return process !== undefined && process.pausedMs === 0 && actor.isIn
    })
  await within(BACK_MS, clock, isBack, () => 'not all members are back')
  const failedMs = run.failedAt() + RETRY_MS - clock.now()
  const leasesMs = plan.hosts ? 2 * TAKEN_OVER_MS : 0
  await clock.sleep(Math.max(0, failedMs))
  const fairMs = FAIR_MS + leasesMs
  await within(
    fairMs,
    clock,
    () => unfair(run) === undefined,
    () => `${unfair(run)}`,
  )
  // Which members have one ring more than others is settled once all have seen the same members.
  await clock.sleep(SETTLED_MS + (plan.hosts ? HANDED_OVER_MS : 0))
  const { taken } = oracle
  await clock.sleep(STEADY_MS)
  if (oracle.taken !== taken) throw new Violation('unfair', 'rings move although all is calm')
  // Its seat stays free between those of the others.
  run.beginLeaving()
  const random = Random.of(plan.seed, nameOf('first to leave'))
  const first = random.pick(members)
  first.actor.leave(false)
  await within(
    fairMs,
    clock,
    () => unfair(run) === undefined,
    () => `one has left, and ${unfair(run)}`,
  )
  await within(
    BACK_MS,
    clock,
    () => first.process === undefined,
    () => 'a member does not leave',
  )
  run.launch(first)
  await within(
    fairMs,
    clock,
    () => first.actor.isIn && unfair(run) === undefined,
    () => `one has joined, and ${unfair(run)}`,
  )
  for (const { actor } of producers) actor.stop()
  const isPushed = (): boolean => producers.every(({ process }) => process === undefined)
  await within(DONE_MS, clock, isPushed, () => 'a producer does not end')
  await within(
    DONE_MS,
    clock,
    () => oracle.unfinished.length === 0,
    () => {
      const texts = oracle.unfinished.map(({ text }) => text)
      return `nobody has handled ${texts.slice(0, 5).join()} and ${texts.length} items in all`
    },
  )
  await waitingCheck(run)
  for (const { actor } of members) actor.leave(false)
  const isEmpty = (): boolean => members.every(({ process }) => process === undefined)
  await within(DONE_MS, clock, isEmpty, () => 'a member does not leave')
  const observer = rings.outside('observer')
  for (const [number, ring] of (await rings.open(observer)).entries()) {
    const { waitingItems } = await inspectRing(ring)
    if (waitingItems !== 0) {
      throw new Violation('unacknowledged', `ring ${number} still has ${waitingItems} items`)
    }
  }
}

/** Waits for a condition that has to become true in time. */
async function within(
  ms: number,
  clock: Clock,
  isTrue: () => boolean,
  otherwise: () => string,
): Promise<void> {
  if (await untilTrue(ms, clock, isTrue)) return
  throw new Violation('stuck', `${otherwise()}, ${ms} ms later`)
}

/** Why the rings are not shared fairly: each needs a holder, and on one machine each member has its share. */
function unfair({ plan, oracle, members: all }: GroupsRun): string | undefined {
  const { rings } = oracle
  for (const { number, holder } of rings) {
    if (holder === undefined) return `nobody has ring ${number}`
  }
  const members = all.filter(({ actor }) => actor.isIn)
  const held = members.map(({ actor }) => actor.rings)
  const text = held.join(', ')
  if (held.reduce((sum, own) => sum + own, 0) !== rings.length) {
    return `members say that they have ${text} of ${rings.length} rings`
  }
  for (const machine of [0, 1]) {
    const own = members.filter(({ actor }) => actor.traits.host === machine)
    const counts = own.map(({ actor }) => actor.rings)
    const most = Math.ceil(rings.length / own.length)
    const least = plan.hosts ? 0 : Math.floor(rings.length / own.length)
    if (counts.every((count) => count <= most && count >= least)) continue
    return `members have ${text} of ${rings.length} rings`
  }
  return undefined
}
