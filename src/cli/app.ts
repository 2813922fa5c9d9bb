import { readFileSync } from 'node:fs'
import {
  type Application,
  type ApplicationText,
  buildApplication,
  buildRouteMap,
  type CommandContext,
  FlagNotFoundError,
  text_en,
} from '@stricli/core'
import { bench } from './commands/bench.ts'
import { consume } from './commands/consume.ts'
import { create } from './commands/create.ts'
import { compare } from './commands/device/compare.ts'
import { copy } from './commands/device/copy.ts'
import { erase } from './commands/device/erase.ts'
import { info } from './commands/device/info.ts'
import { diagnostics } from './commands/diagnostics.ts'
import { dump } from './commands/dump.ts'
import { push } from './commands/journal/push.ts'
import { run as runJournal } from './commands/journal/run.ts'
import { status } from './commands/journal/status.ts'
import { breakRole } from './commands/lease/break.ts'
import { show } from './commands/lease/show.ts'
import { migrate } from './commands/migrate.ts'
import { produce } from './commands/produce.ts'
import { repair } from './commands/repair.ts'
import { resume } from './commands/resume.ts'
import { suspend } from './commands/suspend.ts'
import { verify } from './commands/verify.ts'

const fullDescription = `A durable queue on a file or a raw block device that two programs share: one pushes items, the other
consumes them. Byte-compatible with MirageOS's shared-block-ring.

EXIT CODES
  0 done   1 fault   2 wrong usage   3 nothing now: empty, or no room; devices differ   4 suspended
  128 + n: stopped by signal n before it was done

EXAMPLES
  sbr create ring.img --size 64MiB
  echo hello | sbr produce ring.img
  sbr consume ring.img --drain
  sbr create outbox.img && echo order-7 | sbr journal push outbox.img
  sbr journal run outbox.img -- ./send-mail

Errors go to standard error; with --json as {"error":{"code":...,"message":...}}. SBR_DEBUG=1 adds stack
traces. DEVICE is a path; after -- nothing is taken for a flag.`

const journal = buildRouteMap({
  routes: { push, run: runJournal, status },
  docs: {
    brief: 'Operations that are performed at least once, in order, whatever crashes',
    fullDescription: `A journal keeps operations on a device until a command has performed them: \`push\` writes them down, and \`run\`
performs them one after another, at the same time or later. A service that embeds a Journal of the library
does both itself, so neither command works beside it. A journal is a ring; \`sbr create\` makes the file.`,
  },
})

const device = buildRouteMap({
  routes: { info, compare, copy, erase },
  docs: {
    brief: 'Look at, compare, copy and erase whole devices',
    fullDescription: 'Work on whole files and raw block devices, whatever they hold.',
  },
})

const lease = buildRouteMap({
  routes: { show, break: breakRole },
  docs: {
    brief: 'Which hosts hold the roles of a ring',
    fullDescription: `Hosts that share a ring over the network take turns at a role by leases on the device: produce and consume take
one with --lease. What has to hold for that to be safe is in docs/hosts.md.`,
  },
})

const root = buildRouteMap({
  routes: {
    create,
    produce,
    consume,
    suspend,
    resume,
    diagnostics,
    verify,
    repair,
    dump,
    migrate,
    lease,
    journal,
    bench,
    device,
  },
  docs: { brief: 'A durable queue on a block device that two programs share', fullDescription },
})

/** The command line. What a command throws goes to `onFailure`, and is not printed here. */
export function buildApp(onFailure: (error: unknown) => void): Application<CommandContext> {
  const silent = (error: unknown): string => {
    onFailure(error)
    return ''
  }
  const text: ApplicationText = {
    ...text_en,
    exceptionWhileRunningCommand: silent,
    noCommandRegisteredForInput: ({ input, corrections }) =>
      `there is no command ${input}${didYouMean(corrections.map((name) => name.replaceAll('`', '')))}`,
    exceptionWhileParsingArguments(error, color) {
      if (error instanceof FlagNotFoundError) return unknownFlag(error)
      return text_en.exceptionWhileParsingArguments.call(this, error, color)
    },
  }
  return buildApplication(root, {
    name: 'sbr',
    versionInfo: { getCurrentVersion: async () => packageVersion() },
    scanner: {
      caseStyle: 'allow-kebab-for-camel',
      allowArgumentEscapeSequence: true,
      distanceOptions: SIMILAR,
    },
    documentation: { disableAnsiColor: true },
    localization: { text },
  })
}

/** What is meant by a word that is not known: one that is a slip or two away. */
const SIMILAR = {
  threshold: 4,
  weights: { insertion: 1, deletion: 3, substitution: 2, transposition: 0 },
} as const

function didYouMean(corrections: readonly string[]): string {
  return corrections.length === 0 ? '' : `; did you mean ${corrections.join(' or ')}?`
}

/** Flags that might be meant, as the help writes them. */
function unknownFlag({ input, corrections }: FlagNotFoundError): string {
  const meant = corrections.map((flag) => `--${flag.replace(/[A-Z]/g, '-$&').toLowerCase()}`)
  return `there is no flag --${input}${didYouMean(meant)}`
}

function packageVersion(): string {
  const json: unknown = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return String(Reflect.get(Object(json), 'version'))
}
