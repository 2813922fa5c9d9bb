import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { checkKeeps } from '../../../journal/attach.ts'
import type { ItemFlags } from '../../flags/flags.ts'
import {
  ABOUT_COMMAND,
  deviceAndCommand,
  runWork,
  type WorkFlags,
  workFlags,
} from '../../handlers/run-work.ts'
import { journalFlags, journalNames, openJournal } from '../../journal/journal.ts'

type Flags = WorkFlags & ItemFlags

const fullDescription = `Runs COMMAND once for each operation, one after another in the order of pushing, with the operation's bytes
on its standard input, or as its last argument. While one waits to be tried again, later ones wait too. If the
device is blank, a journal is made first; \`sbr journal push\` can add operations meanwhile. \`sbr work\` does the
same with several at a time, out of order.

${ABOUT_COMMAND}

EXAMPLES
  sbr journal run outbox.img -- ./send-mail
  sbr journal run outbox.img --drain --as-argument -- rm -f --
  sbr journal run outbox.img --attempts 5 --dead-letter failed.img -- ./send-mail`

export const run: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Perform the operations with a command',
    fullDescription,
    customUsage: ['[FLAGS] DEVICE -- COMMAND [ARGS...]'],
  },
  parameters: {
    positional: deviceAndCommand,
    flags: { ...workFlags, ...journalFlags },
  },
  func: runJournal,
})

async function runJournal(flags: Flags, ...args: readonly string[]): Promise<void> {
  await runWork({
    ...{ name: 'journal run', flags, args, concurrency: 1, inOrder: true },
    open: (path, signal) => openJournal(path, flags, signal),
    attach: journalNames(flags),
    check: ({ consumer }) => checkKeeps(consumer),
  })
}
