import { shorten } from '../shrink.ts'
import type { PoolsPlan } from './plan.ts'
import { type PoolsOutcome, simulatePools } from './simulation.ts'

/** Runs that shrinking takes at most. */
const MAX_RUNS = 300

/**
 * Makes a failing plan smaller, as long as it breaks a promise of the same kind: leaves out moments, programs, steps and request faults.
 * @returns the outcome of the smallest plan found, with its trace
 */
export async function shrinkPools(failing: PoolsOutcome): Promise<PoolsOutcome> {
  let best = failing
  let runs = 0
  const attempt = async (smaller: PoolsPlan): Promise<boolean> => {
    if (runs >= MAX_RUNS) return false
    runs++
    const outcome = await simulatePools(smaller)
    if (outcome.broken?.kind !== failing.broken?.kind) return false
    best = outcome
    return true
  }
  await attempt({ ...best.plan, without: [...best.plan.without, ...best.fired] })
  await shorten(best.plan.events, (events) => attempt({ ...best.plan, events }))
  for (const at of best.plan.programs.keys()) {
    const withSteps = (steps: PoolsPlan['programs'][number]): PoolsPlan => {
      return { ...best.plan, programs: best.plan.programs.with(at, steps) }
    }
    await shorten(best.plan.programs[at] ?? [], (steps) => attempt(withSteps(steps)))
  }
  return simulatePools(best.plan, true)
}
