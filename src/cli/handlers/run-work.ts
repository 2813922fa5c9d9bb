import type {
  CommandContext,
  FlagParametersForType,
  TypedFlagParameter,
  TypedPositionalParameters,
} from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { RingReader } from '../../ring/queue/reader.ts'
import type { ReaderOptions } from '../../ring/queue/reader-options.ts'
import { counted } from '../../text/render.ts'
import { checkLeasable } from '../device/leases.ts'
import { emptyNow, usageError } from '../errors.ts'
import { dashesMissing } from '../flags/dashes.ts'
import { deviceAndRest, type ItemFlags, limitOf, parsePath } from '../flags/flags.ts'
import { parseCount, parseDuration } from '../flags/size.ts'
import { tellFailures, tellNotStarted } from '../output/notices.ts'
import { tellIdle, tellPerson } from '../output/person.ts'
import { stopSignals } from '../signals.ts'
import { openDeadLetters } from './dead-letters.ts'
import { asArgument, type Delivery, inEnvelope, onStandardInput } from './delivery.ts'
import { perform } from './perform.ts'

/** Options of running a command for items. */
export interface WorkFlags {
  readonly asArgument?: boolean
  readonly drain?: boolean
  readonly envelope?: boolean
  readonly attempts?: number
  readonly retryInterval?: number
  readonly deadLetter?: string
  readonly grace?: number
}

const FIRST_PAUSE_MS = 5000
const GRACE_MS = 10_000

const duration = (brief: string): TypedFlagParameter<number | undefined> => ({
  kind: 'parsed',
  brief,
  placeholder: 'TIME',
  optional: true,
  parse: parseDuration,
})

export const workFlags: FlagParametersForType<WorkFlags> = {
  asArgument: {
    kind: 'boolean',
    brief: "Each item as COMMAND's last argument, not on its standard input",
    optional: true,
    withNegated: false,
  },
  drain: {
    kind: 'boolean',
    brief: 'Stop when nothing is left',
    optional: true,
    withNegated: false,
  },
  envelope: {
    kind: 'boolean',
    brief: 'Items are envelopes: COMMAND gets what is within, and SBR_ENVELOPE',
    optional: true,
    withNegated: false,
  },
  attempts: {
    kind: 'parsed',
    brief: 'Attempts before an item is given up (default: 10 with --dead-letter, else no limit)',
    placeholder: 'N',
    optional: true,
    parse: parseCount,
  },
  deadLetter: {
    kind: 'parsed',
    brief: 'The ring that items go to which are given up (default: stop at such an item)',
    placeholder: 'DEVICE',
    optional: true,
    parse: parsePath,
  },
  retryInterval: duration('The longest first pause, such as 500ms or 10s (default: 5s)'),
  grace: duration('How long COMMAND may keep running after SIGTERM (default: 10s)'),
}

/** The command line's arguments: a device, and the command with its arguments. */
export const deviceAndCommand: TypedPositionalParameters<readonly string[], CommandContext> = {
  kind: 'array',
  parameter: {
    brief: 'The path of the ring (default: $SBR_DEVICE), -- and the command with its arguments',
    placeholder: 'DEVICE -- COMMAND ARGS',
    parse: String,
  },
}

/** The part of a help text that is about COMMAND. */
export const ABOUT_COMMAND = `There is no shell. COMMAND's output goes where sbr's goes. Its standard input is a nameless file in TMPDIR,
which is complete before COMMAND starts.

Exit code 0 means done. After any other, or a signal, the attempt has failed: it is made again after
--retry-interval, and then after pauses that double up to five minutes, each randomly shortened by up to half.
Failures are reported on standard error. After --attempts failures an item goes to the ring --dead-letter, as an
envelope that says why (\`sbr consume --envelope\` shows it); without that, this ends, and the item stays. If COMMAND
cannot be found or executed, or TMPDIR cannot be written to, this ends immediately. If COMMAND cannot be started for
lack of space, memory, descriptors or processes, that does not count as an attempt: it is reported, and tried again
after the same pauses.

COMMAND has to be idempotent: after a crash the same item comes again, and after a SIGKILL of sbr,
the previous COMMAND may still be running. Its environment has SBR_ATTEMPT, from 1; SBR_MAY_HAVE_RUN, 0 if
the item cannot have been handled before, else 1; SBR_POSITION, which is unique among the ring's items; and with
--envelope SBR_ENVELOPE: "time", "id" and "key", if there are such, and "headers", as JSON.

Without --drain it runs until it is stopped. On SIGINT or SIGTERM, COMMAND gets SIGTERM, and SIGKILL after --grace; if
it fails because of that, the item stays for the next start. With --as-argument an item has to be UTF-8 without
NUL; any other is given up untried. So is one that begins with a hyphen, which COMMAND could take for a flag,
unless COMMAND's own arguments end with --, as below.

With --json: an object a failure and line on standard error. Standard output is COMMAND's.

Exit codes: 0 done; without --drain also when stopped; 3 --drain found nothing; 130 or 143 stopped
before it was done; 1 anything else. An item in the dead letter ring, which has to exist, counts as done.`

/** The differences between the commands that run a COMMAND. */
export interface WorkOptions {
  /** Which command it is. */
  readonly name: 'work' | 'journal run'
  readonly flags: WorkFlags & ItemFlags
  readonly args: readonly string[]
  open(path: string, signal: AbortSignal): Promise<BlockDevice & AsyncDisposable>
  /** Options of taking the consumer's role. */
  readonly attach: Pick<ReaderOptions<Delivery>, 'queue' | 'client' | 'lease'>
  /** Refuses an unsuitable ring. */
  readonly check?: (reader: RingReader<Delivery>) => void
  readonly concurrency: number
  /** True if later items wait for one that is to be tried again. */
  readonly inOrder?: boolean
}

/** Runs a command for each item of a ring. */
export async function runWork(options: WorkOptions): Promise<void> {
  const { flags, concurrency } = options
  const [path = '', command = '', ...rest] = deviceAndRest(options.args)
  const device = parsePath(path)
  if (command === '') {
    throw usageError(`expected a command: sbr ${options.name} DEVICE -- COMMAND ARGS`)
  }
  // Without it, a flag of COMMAND that sbr has too would be taken silently.
  if (!process.argv.includes('--'))
    throw usageError(dashesMissing(options.name, [path, command, ...rest]))
  const { attempts, drain = false, grace = GRACE_MS, retryInterval = FIRST_PAUSE_MS } = flags
  using stop = stopSignals()
  const { signal } = stop
  await using ring = await options.open(device, signal)
  await using letters = await openDeadLetters(flags.deadLetter, device, flags, signal)
  const attaching = { ...options.attach, ...limitOf(flags), signal }
  await checkLeasable(ring, attaching)
  const within = flags.asArgument === true ? asArgument(rest) : onStandardInput
  const codec = flags.envelope === true ? inEnvelope(within) : within
  await using reader = await RingReader.open<Delivery>(ring, { codec, ...attaching })
  options.check?.(reader)
  const notices = { json: flags.json === true, format: reader.consumer.format }
  using _notices = tellFailures(notices)
  using idle = drain ? undefined : tellIdle(device, flags.json)
  const done = await perform(reader, {
    ...{ command, args: rest, graceMs: grace, firstPauseMs: retryInterval, drain, signal },
    onStart: () => idle?.[Symbol.dispose](),
    onNotStarted: (...told) => tellNotStarted(notices, ...told),
    process: {
      concurrency,
      ...(options.inOrder === true && { keyOf: () => 0 }),
      ...(attempts !== undefined && { attempts }),
      ...(letters.device !== undefined && { deadLetter: letters.device }),
    },
  })
  if (drain && done === 0) throw emptyNow(path)
  tellPerson(`${device}: ${counted(done, 'item')} done`, flags.json)
}
