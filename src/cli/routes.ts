import type { Command, CommandContext, RouteMap } from '@stricli/core'

export type Route = Command<CommandContext> | RouteMap<CommandContext>

type Load = () => Promise<Route>

/** The commands that the help shows together. */
interface Group {
  readonly title: string
  readonly routes: Readonly<Record<string, Load>>
}

/** The module of each command, in the order of the help. */
const GROUPS: readonly Group[] = [
  {
    title: 'EVERYDAY',
    routes: {
      create: async () => (await import('./commands/create.ts')).create,
      produce: async () => (await import('./commands/produce.ts')).produce,
      consume: async () => (await import('./commands/consume.ts')).consume,
      diagnostics: async () => (await import('./commands/diagnostics.ts')).diagnostics,
      head: async () => (await import('./commands/head.ts')).head,
      peek: async () => (await import('./commands/peek.ts')).peek,
      tail: async () => (await import('./commands/tail.ts')).tail,
      move: async () => (await import('./commands/move.ts')).move,
      suspend: async () => (await import('./commands/suspend.ts')).suspend,
      resume: async () => (await import('./commands/resume.ts')).resume,
    },
  },
  {
    title: 'CARE',
    routes: {
      check: async () => (await import('./commands/check.ts')).check,
      metrics: async () => (await import('./commands/metrics.ts')).metrics,
      verify: async () => (await import('./commands/verify.ts')).verify,
      repair: async () => (await import('./commands/repair.ts')).repair,
      dump: async () => (await import('./commands/dump.ts')).dump,
      migrate: async () => (await import('./commands/migrate.ts')).migrate,
      lease: async () => (await import('./commands/lease/index.ts')).lease,
    },
  },
  {
    title: 'PICTURES',
    routes: {
      draw: async () => (await import('./commands/draw.ts')).draw,
      serve: async () => (await import('./commands/serve.ts')).serve,
      top: async () => (await import('./commands/top.ts')).top,
    },
  },
  {
    title: 'JOURNAL AND WORK',
    routes: {
      work: async () => (await import('./commands/work.ts')).work,
      journal: async () => (await import('./commands/journal/index.ts')).journal,
    },
  },
  {
    title: 'DEVICE',
    routes: {
      pool: async () => (await import('./commands/pool/index.ts')).pool,
      device: async () => (await import('./commands/device/index.ts')).device,
      bench: async () => (await import('./commands/bench.ts')).bench,
    },
  },
  {
    title: 'SHELL',
    routes: {
      completion: async () => (await import('./commands/completion.ts')).completion,
    },
  },
]

const ROUTES: Readonly<Record<string, Load>> = Object.assign(
  {},
  ...GROUPS.map(({ routes }) => routes),
)

/** The names of the commands as the help groups them. */
export const COMMAND_GROUPS: readonly {
  readonly title: string
  readonly names: readonly string[]
}[] = GROUPS.map(({ title, routes }) => ({ title, names: Object.keys(routes) }))

/** True if a word is a group of commands, so that a command has to follow. */
export async function isGroup(word: string): Promise<boolean> {
  const route = await ROUTES[word]?.()
  return route !== undefined && 'getAllEntries' in route
}

/** The command that an input is for, as far as there is one: `lease show`. */
export async function commandOf([word, next]: readonly string[]): Promise<string | undefined> {
  if (word === undefined) return undefined
  const route = await ROUTES[word]?.()
  if (route === undefined || next === undefined || !('getAllEntries' in route)) return route && word
  return route.getRoutingTargetForInput(next) === undefined ? word : `${word} ${next}`
}

/**
 * The routes for a word: only its command, because loading all of them takes longer than most commands take to run. All
 * of them for any other word, for the help or for advice.
 */
export async function loadRoutes(word: string | undefined): Promise<Record<string, Route>> {
  const all = Object.entries(ROUTES)
  const named = all.filter(([name]) => name === word)
  const wanted = named.length > 0 ? named : all
  return Object.fromEntries(
    await Promise.all(wanted.map(async ([name, load]) => [name, await load()] as const)),
  )
}
