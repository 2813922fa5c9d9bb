import type { Command, CommandContext, RouteMap } from '@stricli/core'

type Route = Command<CommandContext> | RouteMap<CommandContext>

/** Where each command is, in the order of the help. */
const ROUTES: Readonly<Record<string, () => Promise<Route>>> = {
  create: async () => (await import('./commands/create.ts')).create,
  produce: async () => (await import('./commands/produce.ts')).produce,
  consume: async () => (await import('./commands/consume.ts')).consume,
  head: async () => (await import('./commands/head.ts')).head,
  peek: async () => (await import('./commands/peek.ts')).peek,
  tail: async () => (await import('./commands/tail.ts')).tail,
  move: async () => (await import('./commands/move.ts')).move,
  work: async () => (await import('./commands/work.ts')).work,
  suspend: async () => (await import('./commands/suspend.ts')).suspend,
  resume: async () => (await import('./commands/resume.ts')).resume,
  diagnostics: async () => (await import('./commands/diagnostics.ts')).diagnostics,
  check: async () => (await import('./commands/check.ts')).check,
  metrics: async () => (await import('./commands/metrics.ts')).metrics,
  verify: async () => (await import('./commands/verify.ts')).verify,
  repair: async () => (await import('./commands/repair.ts')).repair,
  dump: async () => (await import('./commands/dump.ts')).dump,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  lease: async () => (await import('./commands/lease/index.ts')).lease,
  journal: async () => (await import('./commands/journal/index.ts')).journal,
  bench: async () => (await import('./commands/bench.ts')).bench,
  device: async () => (await import('./commands/device/index.ts')).device,
}

/** Whether a word is a group of commands, so that a command has to follow. */
export async function isGroup(word: string): Promise<boolean> {
  const route = await ROUTES[word]?.()
  return route !== undefined && 'getAllEntries' in route
}

/**
 * The command that a word names, alone: loading all of them takes longer than most commands take to run. All of them for
 * any other word, which is for the help, or for advice.
 */
export async function loadRoutes(word: string | undefined): Promise<Record<string, Route>> {
  const all = Object.entries(ROUTES)
  const named = all.filter(([name]) => name === word)
  const wanted = named.length > 0 ? named : all
  return Object.fromEntries(
    await Promise.all(wanted.map(async ([name, load]) => [name, await load()] as const)),
  )
}
