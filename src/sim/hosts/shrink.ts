import { shorten } from '../shrink.ts'
import type { HostsPlan, Mishap } from './plan.ts'
import { type HostsOutcome, simulateHosts } from './simulation.ts'

/** Runs that shrinking takes at most. */
const MAX_RUNS = 200

/**
 * Makes a failing plan smaller, as long as it breaks a promise of the same kind: leaves out mishaps, and makes those that
 * stay simpler.
 * @returns the outcome of the smallest plan found, with its trace
 */
export async function shrinkHosts(failing: HostsOutcome): Promise<HostsOutcome> {
  let { plan } = failing
  let runs = 0
  const attempt = async (smaller: HostsPlan): Promise<boolean> => {
    if (runs >= MAX_RUNS) return false
    runs++
    const { broken } = await simulateHosts(smaller)
    if (broken?.kind !== failing.broken?.kind) return false
    plan = smaller
    return true
  }
  await shorten(plan.mishaps, (mishaps) => attempt({ ...plan, mishaps }))
  for (let at = 0; at < plan.mishaps.length; at++) {
    for (const simpler of [{ lateMs: 0 }, { what: 'late', ms: 0 }] as const) {
      const mishaps = plan.mishaps.map((mishap, index): Mishap => {
        return index === at ? { ...mishap, ...simpler } : mishap
      })
      await attempt({ ...plan, mishaps })
    }
  }
  return simulateHosts(plan, true)
}
