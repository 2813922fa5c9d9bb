import { reportOf } from '../runs/report.ts'
import type { Simulated } from '../runs/simulated.ts'
import { type GroupsPlan, groupsPlanOf, kindsOf } from './plan.ts'
import { shrinkGroups } from './shrink.ts'
import {
  type GroupsCounts,
  type GroupsOutcome,
  noGroupsCounts,
  simulateGroups,
} from './simulation.ts'

/** Members of a group that share rings. */
export const groups: Simulated<GroupsCounts, GroupsOutcome> = {
  name: 'groups',
  check: ({ mix = 'swarm' }) => void groupsPlanOf(1, mix),
  noCounts: noGroupsCounts,
  runSeed: (seed, { mix = 'swarm' } = {}) => simulateGroups(groupsPlanOf(seed, mix)),
  explain: async (failing, { mix = 'swarm' } = {}) => {
    const command = `npm run sim -- --seed ${failing.plan.seed} --format groups --mix ${mix}`
    const shrunk = await shrinkGroups(failing)
    return reportOf(shrunk, command, facts(shrunk.plan, shrunk.fired))
  },
  summary: ({ seeds, moves, requests, crashes, leaves, hangs, delivered }, seconds) =>
    `${(seeds / seconds).toFixed(1)} seeds/s, ${Math.round(requests / seconds)} requests/s, ` +
    `${delivered} items handled, ${moves} times a ring was taken, ${crashes} crashes, ${leaves} left, ${hangs} stood still`,
}

function facts(plan: GroupsPlan, fired: readonly string[]): readonly string[] {
  const { sectorSize, rings, layout, hosts, producers, members, events } = plan
  return [
    `${rings} rings of a ${layout}, of ${producers} producers; sectors of ${sectorSize} bytes` +
      `${hosts ? '; members on two machines, with leases' : ''}`,
    `members: ${members.map(({ how, concurrency, joinsMs }) => `${how} x ${concurrency} from ${joinsMs} ms`).join(', ')}`,
    `faults possible: ${kindsOf(plan).join(', ') || 'none'}`,
    `shrunk to ${events.length} moments, ${fired.length} request faults (${fired.join(', ') || 'none'})`,
  ]
}
