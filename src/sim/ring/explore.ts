import {
  type Explored,
  type ExploreOptions,
  exploreSeeds,
  type SeedOptions,
  type Simulated,
} from '../runs/simulated.ts'
import { mixOf } from '../world/faults.ts'
import { noCounts, type SimCounts } from '../world/world.ts'
import type { RingUnderTest } from './guarantees.ts'
import { planOf } from './plan.ts'
import { report } from './report.ts'
import { shrink } from './shrink.ts'
import { type Outcome, simulate } from './simulation.ts'
import { storageNamed } from './storages.ts'

/** Default number of steps of each role. */
export const DEFAULT_STEPS = 50

/** Runs the plan of a seed. */
export function runSeed(
  ring: RingUnderTest,
  seed: number,
  options: SeedOptions & { readonly traced?: boolean } = {},
): Promise<Outcome> {
  const { mix = 'swarm', steps = DEFAULT_STEPS, device = 'disk', traced = false } = options
  const chosen = mixOf(mix, seed, storageNamed(device))
  return simulate(ring, planOf(seed, ring, chosen, steps, device), traced)
}

/** Runs seeds until one violates a guarantee, or there are no more. */
export function explore(
  ring: RingUnderTest,
  options: ExploreOptions = {},
): Promise<Explored<SimCounts, Outcome>> {
  return exploreSeeds(simulatedRing(ring), options)
}

/** Shrinks a failing run, and reports it. */
export async function explain(
  ring: RingUnderTest,
  failing: Outcome,
  options: SeedOptions = {},
): Promise<string> {
  return report(await shrink(ring, failing), replayCommand(ring, failing.plan.seed, options))
}

/** The command that replays a seed. */
export function replayCommand(ring: RingUnderTest, seed: number, options: SeedOptions): string {
  const { mix = 'swarm', steps = DEFAULT_STEPS, device = 'disk' } = options
  const over = device === 'disk' ? '' : ` --device ${device}`
  const more = steps === DEFAULT_STEPS ? '' : ` --steps ${steps}`
  return `npm run sim -- --seed ${seed} --format ${ring.name}${over} --mix ${mix}${more}`
}

/** A ring with a simulated producer and consumer, crashes, and a disk with faults. */
export function simulatedRing(ring: RingUnderTest): Simulated<SimCounts, Outcome> {
  return {
    name: ring.name,
    check: ({ mix = 'swarm', device = 'disk' }) => void mixOf(mix, 1, storageNamed(device)),
    noCounts,
    runSeed: (seed, options) => runSeed(ring, seed, options),
    explain: (failing, options) => explain(ring, failing, options),
    summary: ({ seeds, steps, requests, crashes, delivered }, seconds) => {
      const rate = (count: number): number => Math.round(count / seconds)
      return (
        `${rate(seeds)} seeds/s, ${rate(steps)} steps/s, ${rate(requests)} requests/s, ` +
        `${rate(crashes)} crashes/s (${crashes}), ${delivered} deliveries`
      )
    },
  }
}
