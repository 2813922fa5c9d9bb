import { shorten } from '../shrink.ts'
import type { GroupsPlan } from './plan.ts'
import { type GroupsOutcome, simulateGroups } from './simulation.ts'

/** Runs that shrinking takes at most. */
const MAX_RUNS = 150

/**
 * Makes a failing plan smaller, as long as it breaks a promise of the same kind: leaves out moments, request faults and members.
 * @returns the outcome of the smallest plan found, with its trace
 */
export async function shrinkGroups(failing: GroupsOutcome): Promise<GroupsOutcome> {
  let best = failing
  let runs = 0
  const attempt = async (smaller: GroupsPlan): Promise<boolean> => {
    if (runs >= MAX_RUNS) return false
    runs++
    const outcome = await simulateGroups(smaller)
    if (outcome.broken?.kind !== failing.broken?.kind) return false
    best = outcome
    return true
  }
  await attempt({ ...best.plan, without: [...best.plan.without, ...best.fired] })
  await shorten(best.plan.events, (events) => attempt({ ...best.plan, events }))
  while (best.plan.members.length > 1) {
    if (!(await attempt({ ...best.plan, members: best.plan.members.slice(0, -1) }))) break
  }
  await attempt({ ...best.plan, producers: 1 })
  return simulateGroups(best.plan, true)
}
