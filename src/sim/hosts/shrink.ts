import { Shrinking, shorten } from '../runs/shrinking.ts'
import type { HostsPlan, Mishap } from './plan.ts'
import { type HostsOutcome, simulateHosts } from './simulation.ts'

/** Runs that shrinking takes at most. */
const MAX_RUNS = 200

/**
 * Makes a failing plan smaller, as long as it violates a guarantee of the same kind: leaves out mishaps, and makes
 * those that stay simpler.
 * @returns the outcome of the smallest plan found, with its trace
 */
export async function shrinkHosts(failing: HostsOutcome): Promise<HostsOutcome> {
  const shrinking = new Shrinking(failing, (plan: HostsPlan) => simulateHosts(plan), MAX_RUNS)
  const { attempt } = shrinking
  const plan = (): HostsPlan => shrinking.plan
  await shorten(plan().mishaps, (mishaps) => attempt({ ...plan(), mishaps }))
  for (let at = 0; at < plan().mishaps.length; at++) {
    for (const simpler of [{ lateMs: 0 }, { what: 'late', ms: 0 }] as const) {
      const mishaps = plan().mishaps.map((mishap, index): Mishap => {
        return index === at ? { ...mishap, ...simpler } : mishap
      })
      await attempt({ ...plan(), mishaps })
    }
  }
  return simulateHosts(plan(), true)
}
