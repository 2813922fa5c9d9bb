import { groups } from './groups/explore.ts'
import { leases } from './hosts/explore.ts'
import { pools } from './pools/explore.ts'
import { simulatedRing } from './ring/explore.ts'
import { ringNamed } from './ring/rings.ts'

/** The simulations besides that of one ring's two roles. */
type Other = typeof leases | typeof pools | typeof groups

const OTHERS: readonly Other[] = [leases, pools, groups]

/**
 * What `--format` names: a ring, or another simulation.
 * @throws {RangeError} there is none
 */
export function simulatedNamed(name: string): Other | ReturnType<typeof simulatedRing> {
  const found = OTHERS.find((other) => other.name === name)
  const others = OTHERS.map((other) => other.name)
  return found ?? simulatedRing(ringNamed(name, others))
}
