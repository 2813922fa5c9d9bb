import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { device, type ItemFlags, limitOf } from '../../flags/flags.ts'
import { type PushFlags, pushFlags, pushStandardInput } from '../../input/push-input.ts'
import { journalFlags, journalNames, openJournal } from '../../journal/journal.ts'
import { stopSignals } from '../../signals.ts'

type Flags = ItemFlags & PushFlags

const fullDescription = `Pushes each line of standard input as an operation, without its newline, until the input ends. An operation that counts
as pushed is on stable storage, and will be performed at least once, whatever crashes: by \`sbr journal run\`, at the
same time or later, or by a program with a Journal.

If the device is blank, a journal is made first; the file has to exist. Waits while the journal is full or
suspended, without a limit, so use --no-wait unless a \`journal run\` performs the operations meanwhile. Refused
while another \`journal push\`, or a program with a Journal, uses the device.

Exit codes: 0 all of the input was pushed; 3 no room and 4 suspended, with --no-wait; 130 or 143 stopped
by SIGINT or SIGTERM, between two operations, before the input ended; 1 anything else. Unless it is 0,
standard error says how many were pushed (with --json: "pushed"), so that you know where to continue. With --json: one
object with "pushed" once all of it was pushed. With --envelope, as of sbr produce, use \`journal run --envelope\`.

EXAMPLES
  sbr create outbox.img
  echo '{"mail":"anna@example.org","order":7}' | sbr journal push outbox.img
  sbr journal push outbox.img --frames --no-wait < operations.bin`

export const push: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Push operations from standard input',
    fullDescription,
    customUsage: ['[FLAGS] DEVICE'],
  },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: { ...pushFlags, ...journalFlags },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  await using journal = await openJournal(path, flags, stop.signal)
  const options = { ...journalNames(flags), ...limitOf(flags) }
  await pushStandardInput(journal, options, flags, stop.signal)
}
