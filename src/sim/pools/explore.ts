import { reportOf } from '../runs/report.ts'
import type { Simulated } from '../runs/simulated.ts'
import { kindsOf, type PoolsPlan, poolsPlanOf } from './plan.ts'
import { shrinkPools } from './shrink.ts'
import { noPoolsCounts, type PoolsCounts, type PoolsOutcome, simulatePools } from './simulation.ts'

/** Programs that change one pool and use its rings. */
export const pools: Simulated<PoolsCounts, PoolsOutcome> = {
  name: 'pools',
  check: ({ mix = 'swarm' }) => void poolsPlanOf(1, mix),
  noCounts: noPoolsCounts,
  runSeed: (seed, { mix = 'swarm', steps } = {}) => simulatePools(poolsPlanOf(seed, mix, steps)),
  explain: async (failing, { mix = 'swarm', steps } = {}) => {
    const more = steps === undefined ? '' : ` --steps ${steps}`
    const command = `npm run sim -- --seed ${failing.plan.seed} --format pools --mix ${mix}${more}`
    const shrunk = await shrinkPools(failing)
    return reportOf(shrunk, command, facts(shrunk.plan, shrunk.fired))
  },
  summary: ({ seeds, changes, requests, crashes }, seconds) =>
    `${(seeds / seconds).toFixed(1)} seeds/s, ${Math.round(requests / seconds)} requests/s, ` +
    `${changes} changes, ${crashes} crashes`,
}

function facts(plan: PoolsPlan, fired: readonly string[]): readonly string[] {
  const { sectorSize, physicalSectorSize, units, grownUnits, hosts, usedBefore, programs } = plan
  return [
    `a pool of ${units} units, or ${grownUnits} once it has grown; sectors of ${sectorSize} bytes, physical ones of ` +
      `${physicalSectorSize}${hosts ? '; each program is on a host of its own' : ''}${usedBefore ? '; there was a ring before' : ''}`,
    `faults possible: ${kindsOf(plan).join(', ') || 'none'}`,
    `shrunk to ${programs.map(({ length }) => length).join(' and ')} steps, ${plan.events.length} moments, ` +
      `${fired.length} request faults (${fired.join(', ') || 'none'})`,
  ]
}
