import { buildRouteMap, type CommandContext, type RouteMap } from '@stricli/core'
import { compare } from './compare.ts'
import { copy } from './copy.ts'
import { erase } from './erase.ts'
import { info } from './info.ts'

export const device: RouteMap<CommandContext> = buildRouteMap({
  routes: { info, compare, copy, erase },
  docs: {
    brief: 'Inspect, compare, copy and erase whole devices',
    fullDescription: 'Works on whole files and raw block devices, whatever their content.',
  },
})
