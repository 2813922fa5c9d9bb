import { Shrinking, shorten } from '../runs/shrinking.ts'
import type { GroupsPlan } from './plan.ts'
import { type GroupsOutcome, simulateGroups } from './simulation.ts'

/** Runs that shrinking takes at most. */
const MAX_RUNS = 150

/**
 * Makes a failing plan smaller, as long as it violates a guarantee of the same kind: leaves out moments, request faults
 * and members.
 * @returns the outcome of the smallest plan found, with its trace
 */
export async function shrinkGroups(failing: GroupsOutcome): Promise<GroupsOutcome> {
  const shrinking = new Shrinking(failing, (plan: GroupsPlan) => simulateGroups(plan), MAX_RUNS)
  const { attempt } = shrinking
  await attempt({
    ...shrinking.plan,
    without: [...shrinking.plan.without, ...shrinking.best.fired],
  })
  await shorten(shrinking.plan.events, (events) => attempt({ ...shrinking.plan, events }))
  while (shrinking.plan.members.length > 1) {
    if (
      !(await attempt({
        ...shrinking.plan,
        members: shrinking.plan.members.slice(0, -1),
      }))
    )
      break
  }
  await attempt({ ...shrinking.plan, producers: 1 })
  return simulateGroups(shrinking.plan, true)
}
