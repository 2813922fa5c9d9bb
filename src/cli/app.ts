import { readFileSync } from 'node:fs'
import {
  type Application,
  type ApplicationText,
  buildApplication,
  buildRouteMap,
  type CommandContext,
  text_en,
} from '@stricli/core'
import { consume } from './commands/consume.ts'
import { create } from './commands/create.ts'
import { diagnostics } from './commands/diagnostics.ts'
import { produce } from './commands/produce.ts'
import { resume } from './commands/resume.ts'
import { suspend } from './commands/suspend.ts'

const fullDescription = `A durable queue on a file or a raw block device that two programs share: one pushes items, the other
consumes them. Byte-compatible with MirageOS's shared-block-ring.

EXIT CODES
  0 done   1 fault   2 wrong usage   3 nothing now: empty, or no room   4 suspended
  128 + n: stopped by signal n before it was done

EXAMPLES
  sbr create ring.img --size 64MiB
  echo hello | sbr produce ring.img
  sbr consume ring.img --drain

Errors go to standard error; with --json as {"error":{"code":...,"message":...}}. SBR_DEBUG=1 adds stack
traces. DEVICE is a path; after -- nothing is taken for a flag.`

const root = buildRouteMap({
  routes: { create, produce, consume, suspend, resume, diagnostics },
  docs: { brief: 'A durable queue on a block device that two programs share', fullDescription },
})

/** The command line. What a command throws goes to `onFailure`, and is not printed here. */
export function buildApp(onFailure: (error: unknown) => void): Application<CommandContext> {
  const silent = (error: unknown): string => {
    onFailure(error)
    return ''
  }
  const text: ApplicationText = { ...text_en, exceptionWhileRunningCommand: silent }
  return buildApplication(root, {
    name: 'sbr',
    versionInfo: { getCurrentVersion: async () => packageVersion() },
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
    documentation: { disableAnsiColor: true },
    localization: { text },
  })
}

function packageVersion(): string {
  const json: unknown = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return String(Reflect.get(Object(json), 'version'))
}
