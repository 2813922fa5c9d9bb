import { mixOf } from './faults.ts'
import { planOf } from './plan.ts'
import type { RingUnderTest } from './promises.ts'
import { report } from './report.ts'
import { shrink } from './shrink.ts'
import { type Outcome, simulate } from './simulation.ts'
import { addCounts, noCounts, type SimCounts } from './world.ts'

/** Steps of each role, if nobody says otherwise. */
export const DEFAULT_STEPS = 50

/** Which seeds to run, and how. */
export interface ExploreOptions {
  /** The first seed. Default 1. */
  readonly from?: number
  /** From each seed to the next. Default 1. */
  readonly stride?: number
  /** How many at most. Default: until `until`. */
  readonly seeds?: number
  /** Asked after each seed: no more. */
  readonly until?: () => boolean
  /** Name of the mix of faults. Default `swarm`: each seed takes one. */
  readonly mix?: string
  /** Steps of each role. Default 50. */
  readonly steps?: number
}

/** What exploring found. */
export interface Exploration {
  readonly counts: SimCounts
  /** The first run that broke a promise, as it was. */
  readonly failing: Outcome | undefined
}

/** Runs the plan of a seed. */
export function runSeed(
  ring: RingUnderTest,
  seed: number,
  options: Pick<ExploreOptions, 'mix' | 'steps'> & { readonly traced?: boolean } = {},
): Promise<Outcome> {
  const { mix = 'swarm', steps = DEFAULT_STEPS, traced = false } = options
  return simulate(ring, planOf(seed, ring, mixOf(mix, seed), steps), traced)
}

/** Runs seeds until one breaks a promise, or there are no more. */
export async function explore(
  ring: RingUnderTest,
  options: ExploreOptions = {},
): Promise<Exploration> {
  const { from = 1, stride = 1, seeds = Number.POSITIVE_INFINITY, until } = options
  const counts = noCounts()
  for (let done = 0; done < seeds && until?.() !== true; done++) {
    const outcome = await runSeed(ring, from + done * stride, options)
    addCounts(counts, outcome.counts)
    if (outcome.broken !== undefined) return { counts, failing: outcome }
  }
  return { counts, failing: undefined }
}

/** Shrinks a failing run, and writes it down for people. */
export async function explain(
  ring: RingUnderTest,
  failing: Outcome,
  options: Pick<ExploreOptions, 'mix' | 'steps'> = {},
): Promise<string> {
  const { mix = 'swarm', steps = DEFAULT_STEPS } = options
  const more = steps === DEFAULT_STEPS ? '' : ` --steps ${steps}`
  const command = `npm run sim -- --seed ${failing.plan.seed} --format ${ring.name} --mix ${mix}${more}`
  return report(await shrink(ring, failing), command)
}
