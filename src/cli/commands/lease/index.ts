import { buildRouteMap, type CommandContext, type RouteMap } from '@stricli/core'
import { breakRole } from './break.ts'
import { show } from './show.ts'

export const lease: RouteMap<CommandContext> = buildRouteMap({
  routes: { show, break: breakRole },
  docs: {
    brief: 'Which hosts hold the roles of a ring',
    fullDescription: `Hosts that share a ring over the network take turns in a role with leases on the device: produce, consume and work
take one with --lease. docs/hosts.md lists the conditions under which that is safe.`,
  },
})
