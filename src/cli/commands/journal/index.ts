import { buildRouteMap, type CommandContext, type RouteMap } from '@stricli/core'
import { push } from './push.ts'
import { run } from './run.ts'
import { status } from './status.ts'

export const journal: RouteMap<CommandContext> = buildRouteMap({
  routes: { push, run, status },
  docs: {
    brief: 'Operations that are performed at least once, in order, whatever crashes',
    fullDescription: `A journal keeps operations on a device until a command has performed them: \`push\` adds operations, and \`run\`
performs them one after another, at the same time or later. A service that embeds a Journal of the library
does both itself, so neither command works beside it. A journal is a ring; \`sbr create\` makes the file.`,
  },
})
