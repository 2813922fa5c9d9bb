import { Shrinking, shorten } from '../runs/shrinking.ts'
import type { PoolsPlan } from './plan.ts'
import { type PoolsOutcome, simulatePools } from './simulation.ts'

/** Runs that shrinking takes at most. */
const MAX_RUNS = 300

/**
 * Makes a failing plan smaller, as long as it violates a guarantee of the same kind: leaves out moments, programs,
 * steps and request faults.
 * @returns the outcome of the smallest plan found, with its trace
 */
export async function shrinkPools(failing: PoolsOutcome): Promise<PoolsOutcome> {
  const shrinking = new Shrinking(failing, (plan: PoolsPlan) => simulatePools(plan), MAX_RUNS)
  const { attempt } = shrinking
  await attempt({
    ...shrinking.plan,
    without: [...shrinking.plan.without, ...shrinking.best.fired],
  })
  await shorten(shrinking.plan.events, (events) => attempt({ ...shrinking.plan, events }))
  for (const at of shrinking.plan.programs.keys()) {
    const withSteps = (steps: PoolsPlan['programs'][number]): PoolsPlan => {
      return { ...shrinking.plan, programs: shrinking.plan.programs.with(at, steps) }
    }
    await shorten(shrinking.plan.programs[at] ?? [], (steps) => attempt(withSteps(steps)))
  }
  return simulatePools(shrinking.plan, true)
}
