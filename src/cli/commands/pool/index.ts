import { buildRouteMap, type CommandContext, type RouteMap } from '@stricli/core'
import { add } from './add.ts'
import { create } from './create.ts'
import { grow } from './grow.ts'
import { list } from './list.ts'
import { remove } from './remove.ts'

export const pool: RouteMap<CommandContext> = buildRouteMap({
  routes: { create, add, list, remove, grow },
  docs: {
    brief: 'Many named rings on one device',
    fullDescription: `A pool is a device with a directory of named rings. DEVICE#NAME is one of them, for every command that takes a device.
docs/pool.md has what is promised when programs and hosts share a pool, or crash.`,
  },
})
