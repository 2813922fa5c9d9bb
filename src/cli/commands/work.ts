import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { openDevice } from '../device/device.ts'
import { type ItemFlags, itemFlags, namesOf } from '../flags/flags.ts'
import { type LeaseFlags, leaseFlags, leaseOf } from '../flags/lease-flags.ts'
import { parseCount } from '../flags/size.ts'
import {
  ABOUT_COMMAND,
  deviceAndCommand,
  runWork,
  type WorkFlags,
  workFlags,
} from '../handlers/run-work.ts'

interface Flags extends WorkFlags, ItemFlags, LeaseFlags {
  readonly concurrency?: number
}

const fullDescription = `Runs COMMAND for each item of the ring, for --concurrency items at the same time, with the item's bytes on its
standard input, or as its last argument. Each item is acknowledged by itself when COMMAND has succeeded, in any
order; what was not is handled again after a crash.

${ABOUT_COMMAND}

EXAMPLES
  sbr work jobs.img --concurrency 8 -- ./resize
  sbr work jobs.img --attempts 5 --dead-letter failed.img -- ./resize
  sbr work jobs.img --drain --as-argument -- rm -f --`

export const work: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Run a command for each item, several at the same time',
    fullDescription,
    customUsage: ['[FLAGS] DEVICE -- COMMAND [ARGS...]'],
  },
  parameters: {
    positional: deviceAndCommand,
    flags: {
      concurrency: {
        kind: 'parsed',
        brief: 'Commands at the same time (default: 1)',
        placeholder: 'N',
        optional: true,
        parse: parseCount,
      },
      ...workFlags,
      ...leaseFlags,
      ...itemFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, ...args: readonly string[]): Promise<void> {
  await runWork({
    ...{ name: 'work', flags, args, concurrency: flags.concurrency ?? 1 },
    open: (path) => openDevice(path, 'read-write', flags),
    attach: { ...namesOf(flags), ...leaseOf(flags) },
  })
}
