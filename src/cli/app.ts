import {
  AliasNotFoundError,
  type Application,
  type ApplicationText,
  buildApplication,
  buildRouteMap,
  type CommandContext,
  FlagNotFoundError,
  type PartialApplicationConfiguration,
  text_en,
  UnexpectedPositionalError,
  version,
} from '@stricli/core'
import { helpFlag } from './help/flag.ts'
import { commandMeant } from './help/foreign-words.ts'
import { loadRoutes } from './routes.ts'
import { VERSION } from './version.ts'

const brief =
  'A durable queue on a file or a raw block device: one program pushes items, another consumes them.'

const fullDescription = `DEVICE is a path of a file or raw device, a file:// URI or an NBD URI (nbd://host/export). After -- nothing is
taken for a flag. Sizes are bytes: 512, 64K or 64KiB (1,024 each), 1GB (10^9); times are 500ms, 10s, 2m.

Errors go to standard error; with --json as {"error":{"code":...,"message":...}}.

ENVIRONMENT
- SBR_DEVICE: the DEVICE of commands with one; not of \`device erase\`
- SBR_QUEUE, SBR_CLIENT: as --queue and --client
- SBR_DEBUG=1: adds stack traces to errors

What the command line has wins.

EXIT CODES
- 0: done
- 1: fault
- 2: wrong usage
- 3: nothing to do now: empty, or no room; devices differ
- 4: suspended
- 128 + n: stopped by signal n before it was done

EXAMPLES
  sbr create ring.img --size 64MiB
  echo hello | sbr produce ring.img
  sbr consume ring.img --drain
  sbr create outbox.img && echo order-7 | sbr journal push outbox.img
  sbr journal run outbox.img -- ./send-mail`

/**
 * The command line for an input that begins with this word. Errors of a command go to `onFailure`, and are not
 * printed here.
 */
export async function buildApp(
  word: string | undefined,
  onFailure: (error: unknown) => void,
): Promise<Application<CommandContext>> {
  const root = buildRouteMap({
    routes: await loadRoutes(word),
    docs: { brief, fullDescription },
  })
  const silent = (error: unknown): string => {
    onFailure(error)
    return ''
  }
  const text: ApplicationText = {
    ...text_en,
    exceptionWhileRunningCommand: silent,
    noCommandRegisteredForInput: ({ input, corrections }) =>
      `there is no command ${input}${didYouMean(commandsLike(input, word, corrections))}`,
    exceptionWhileParsingArguments(error, color) {
      if (error instanceof FlagNotFoundError) return unknownFlag(error)
      if (error instanceof AliasNotFoundError) return `${UNKNOWN_FLAG}-${error.input}`
      const [, flag] =
        error instanceof UnexpectedPositionalError ? (EMPTY.exec(error.input) ?? []) : []
      if (flag !== undefined) return `expected a value for ${flag}, found none`
      return text_en.exceptionWhileParsingArguments.call(this, error, color)
    },
  }
  const config: PartialApplicationConfiguration = {
    name: 'sbr',
    scanner: {
      caseStyle: 'allow-kebab-for-camel',
      allowArgumentEscapeSequence: true,
      distanceOptions: SIMILAR,
    },
    localization: { text },
  }
  return buildApplication(root, config, {
    help: helpFlag(word === undefined),
    version: version({ brief: 'Print the version', info: { currentVersion: VERSION } }),
  })
}

/** A flag with an empty value, which the parser takes for a word. */
const EMPTY = /^(--[a-z-]+)=$/

/** Suggestions for an unknown word: those with one or two typos. */
const SIMILAR = {
  threshold: 4,
  weights: { insertion: 1, deletion: 3, substitution: 2, transposition: 0 },
} as const

/** Commands that might be meant: the one for a word of other tools, or else those with a similar name. */
function commandsLike(
  input: string,
  word: string | undefined,
  corrections: readonly string[],
): readonly string[] {
  const meant = commandMeant(input, input === word ? undefined : word)
  return meant === undefined
    ? corrections.map((name) => name.replaceAll('`', ''))
    : [`sbr ${meant}`]
}

function didYouMean(corrections: readonly string[]): string {
  return corrections.length === 0 ? '' : `; did you mean ${corrections.join(' or ')}?`
}

/** Begins what is said of a flag that no command has. */
export const UNKNOWN_FLAG = 'there is no flag '

/** Flags that might be meant, as the help writes them. */
function unknownFlag({ input, corrections }: FlagNotFoundError): string {
  const meant = corrections.map((flag) => `--${flag.replace(/[A-Z]/g, '-$&').toLowerCase()}`)
  return `${UNKNOWN_FLAG}--${input}${didYouMean(meant)}`
}
