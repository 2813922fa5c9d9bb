import { reportOf } from '../runs/report.ts'
import type { Simulated } from '../runs/simulated.ts'
import { type HostsCounts, noHostsCounts } from './counts.ts'
import { describe, type HostsPlan, hostsPlanOf } from './plan.ts'
import { shrinkHosts } from './shrink.ts'
import { type HostsOutcome, simulateHosts } from './simulation.ts'

/** Hosts that lease a role of one ring of format 2. */
export const leases: Simulated<HostsCounts, HostsOutcome> = {
  name: 'leases',
  check: ({ mix = 'swarm' }) => void hostsPlanOf(1, mix),
  noCounts: noHostsCounts,
  runSeed: (seed, { mix = 'swarm' } = {}) => simulateHosts(hostsPlanOf(seed, mix)),
  explain: async (failing, { mix = 'swarm' } = {}) => {
    const command = `npm run sim -- --seed ${failing.plan.seed} --format leases --mix ${mix}`
    const shrunk = await shrinkHosts(failing)
    return reportOf(shrunk, command, facts(shrunk.plan))
  },
  summary: ({ seeds, requests, acknowledged, takeovers, lost }, seconds) =>
    `${(seeds / seconds).toFixed(1)} seeds/s, ${Math.round(requests / seconds)} requests/s, ` +
    `${acknowledged} acknowledged, ${takeovers} takeovers with a fence, ${lost} leases lost`,
}

function facts(plan: HostsPlan): readonly string[] {
  const { hosts, fenced, fenceFails, reclaim, sameName, speed, mishaps } = plan
  return [
    ...hosts.map(
      ({ timeoutMs, rate, wallRate }, at) =>
        `host-${at}: a lease of ${timeoutMs} ms, clocks of ${rate.toFixed(3)} and ${wallRate.toFixed(3)}`,
    ),
    `${fenced ? `fences, of which ${fenceFails * 100} % fail` : 'no fences'}` +
      `${reclaim ? ', reclaiming' : ''}${sameName ? ', all of one name' : ''}; requests take up to ` +
      `${speed.usualMs} ms each way, ${speed.lateChance * 100} % of them up to ${speed.lateMs} ms`,
    `shrunk to ${mishaps.length} mishaps${mishaps.length === 0 ? '' : ':'}`,
    ...mishaps.map((mishap) => `  from ${mishap.atMs} ms on: ${describe(mishap)}`),
  ]
}
