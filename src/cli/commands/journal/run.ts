import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { checkKeeps } from '../../../journal/attach.ts'
import { Consumer } from '../../../ring/attach.ts'
import { emptyNow, usageError } from '../../errors.ts'
import { type ItemFlags, limitOf, parsePath } from '../../flags/flags.ts'
import { parseCount, parseDuration } from '../../flags/size.ts'
import { asArgument, type Delivery, inEnvelope, onStandardInput } from '../../journal/delivery.ts'
import { type OnFailure, onFailureFlag, openPolicy } from '../../journal/failure-policy.ts'
import { journalFlags, journalNames, openJournal } from '../../journal/journal.ts'
import { perform } from '../../journal/performing.ts'
import { tellFailures, tellNotStarted } from '../../output/notices.ts'
import { stopSignals } from '../../signals.ts'

interface Flags extends ItemFlags {
  readonly asArgument?: boolean
  readonly drain?: boolean
  readonly envelope?: boolean
  readonly retryInterval?: number
  readonly maxAttempts?: number
  readonly onFailure?: OnFailure
  readonly grace?: number
}

const GRACE_MS = 10_000

const fullDescription = `Runs COMMAND once for each operation, one after another in the order of pushing, with the operation's bytes
on its standard input, or as its last argument. There is no shell. COMMAND's output goes where sbr's goes.
Its standard input is a nameless file in TMPDIR, which is complete before COMMAND starts.

Exit code 0 means performed. After any other, or a signal, the operation has failed: it is tried again after
--retry-interval, and then after pauses that double up to five minutes, each randomly shortened by up to half; later
operations wait. Failures are reported on standard error. If COMMAND cannot be found or executed, or TMPDIR cannot be
written to, this ends at once. If COMMAND cannot be started for lack of space, memory, descriptors or processes, that
does not count as an attempt: it is reported, and tried again after the same pauses.

COMMAND has to be idempotent: after a crash the same operation comes again, and after a SIGKILL of sbr,
the previous COMMAND may still be running. Its environment has SBR_ATTEMPT, from 1; SBR_MAY_HAVE_RUN, 0 if
the operation cannot have run before, else 1; SBR_POSITION, which is unique among the journal's operations; and with
--envelope SBR_ENVELOPE: "time", "id" and "key", if there are such, and "headers", as JSON.

Without --drain it runs until it is stopped; \`sbr journal push\` can add operations meanwhile. On SIGINT or SIGTERM,
COMMAND gets SIGTERM, and SIGKILL after --grace; if it fails because of that, the operation stays for the next start.
If the device is blank, a journal is made first. With --as-argument an operation has to be UTF-8 without NUL;
any other counts as one that keeps failing, under 'retry' too (as 'stop'), untried. So does one that begins with
a hyphen, which COMMAND could take for a flag, unless COMMAND's own arguments end with --, as below.

Exit codes: 0 done; without --drain also when stopped; 3 --drain found nothing; 130 or 143 stopped
before it was done; 1 anything else. An operation in the dead letter ring, which has to exist, counts as done.

EXAMPLES
  sbr journal run outbox.img -- ./send-mail
  sbr journal run outbox.img --drain --as-argument -- rm -f --
  sbr journal run outbox.img --max-attempts 5 --on-failure dead-letter:failed.img -- ./send-mail`

export const run: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Perform the operations with a command',
    fullDescription,
    customUsage: ['[FLAGS] DEVICE -- COMMAND [ARGS...]'],
  },
  parameters: {
    positional: {
      kind: 'array',
      parameter: {
        brief: 'The path of the journal, -- and the command with its arguments',
        placeholder: 'DEVICE -- COMMAND ARGS',
        parse: String,
      },
    },
    flags: {
      asArgument: {
        kind: 'boolean',
        brief: "Each operation as COMMAND's last argument, not on its standard input",
        optional: true,
        withNegated: false,
      },
      drain: {
        kind: 'boolean',
        brief: 'Stop when no operation is pending',
        optional: true,
        withNegated: false,
      },
      envelope: {
        kind: 'boolean',
        brief: 'Operations are envelopes: COMMAND gets what is within, and SBR_ENVELOPE',
        optional: true,
        withNegated: false,
      },
      retryInterval: {
        kind: 'parsed',
        brief: 'The longest first pause, such as 500ms or 10s (default: 5s)',
        placeholder: 'TIME',
        optional: true,
        parse: parseDuration,
      },
      maxAttempts: {
        kind: 'parsed',
        brief: 'Attempts at an operation before --on-failure applies (default: 10)',
        placeholder: 'N',
        optional: true,
        parse: parseCount,
      },
      onFailure: onFailureFlag,
      grace: {
        kind: 'parsed',
        brief: 'How long COMMAND may keep running after SIGTERM (default: 10s)',
        placeholder: 'TIME',
        optional: true,
        parse: parseDuration,
      },
      ...journalFlags,
    },
  },
  func: runJournal,
})

async function runJournal(flags: Flags, ...args: readonly string[]): Promise<void> {
  const [path = '', command = '', ...rest] = args
  parsePath(path)
  if (command === '') throw usageError('expected a command: sbr journal run DEVICE -- COMMAND ARGS')
  const { onFailure = 'retry', maxAttempts, retryInterval, drain = false } = flags
  if (maxAttempts !== undefined && onFailure === 'retry') {
    throw usageError('--max-attempts needs --on-failure stop or dead-letter:PATH')
  }
  using stop = stopSignals()
  await using journal = await openJournal(path, flags, stop.signal)
  await using failures = await openPolicy<Delivery>(onFailure, path, flags, stop.signal)
  const { queue, ...names } = journalNames(flags)
  const attaching = { ...names, ...limitOf(flags), signal: stop.signal }
  await using consumer = await Consumer.attach(journal, { queue, ...attaching })
  checkKeeps(consumer)
  const notices = { json: flags.json === true, format: consumer.format }
  using _notices = tellFailures(notices)
  const codec = flags.asArgument === true ? asArgument(rest) : onStandardInput
  const done = await perform(consumer, {
    command,
    args: rest,
    graceMs: flags.grace ?? GRACE_MS,
    drain,
    signal: stop.signal,
    onNotStarted: (...told) => tellNotStarted(notices, ...told),
    journal: {
      name: queue,
      ...names,
      codec: flags.envelope === true ? inEnvelope(codec) : codec,
      onFailure: failures.policy,
      ...(retryInterval !== undefined && { retryIntervalMs: retryInterval }),
      ...(maxAttempts !== undefined && { maxAttempts }),
    },
  })
  if (drain && done === 0) throw emptyNow(path)
}
