import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { inspectRing } from '../../../ring/attach.ts'
import { openDevice } from '../../device/device.ts'
import { asCommandError } from '../../errors.ts'
import {
  type CommonFlags,
  commonFlags,
  device,
  type ItemFlags,
  limitOf,
  maxItem,
} from '../../flags/flags.ts'
import { parseWhole } from '../../flags/size.ts'
import { readStatus, statusJson, statusText } from '../../journal/journal-status.ts'
import { standardOutput } from '../../output/output.ts'
import { safeJson } from '../../output/render.ts'
import { errorObject } from '../../output/render-error.ts'
import { Stopped, stopSignals } from '../../signals.ts'

interface Flags extends CommonFlags, Pick<ItemFlags, 'maxItem'> {
  readonly items?: number
}

const SHOWN_ITEMS = 10

const fullDescription = `Prints what waits to be performed. Opens the device for reading only, takes no role and changes nothing;
works while a \`journal push\`, a \`journal run\` or a program with a Journal is at work. All that waits is read
once, to count it; operations that are performed meanwhile are left out.

"pusher" and "performer" are the texts that the last of them left on the device, with the names that it was
given. Whether one is at work now is known of the performer only, and only of this machine.

With --json: one object with "device", "pendingOperations", "pendingBytes" (in the ring, with lengths and
padding), "capacity", "producer" and "consumer" ("offset", a position, and "text"; "suspendAck" and
"suspend"), "performing" and "operations", the first of them: "position" is the one after the operation, as a
string (EPOCH:ITEM in format 2, bytes in format 1), "bytes" its length, "startHex" its first 256 bytes. If what
waits cannot all be read, an "error" follows, "pendingOperations" is what was read before it, and the exit code is 1.

EXAMPLES
  sbr journal status outbox.img
  sbr journal status outbox.img --json --items 0 | jq .pendingOperations`

export const status: Command<CommandContext> = buildCommand({
  docs: { brief: 'Show what waits to be performed, changing nothing', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      items: {
        kind: 'parsed',
        brief: `Show so many of the first operations (default: ${SHOWN_ITEMS})`,
        placeholder: 'N',
        optional: true,
        parse: parseWhole,
      },
      maxItem,
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const output = standardOutput(stop.signal)
  await using journal = await openDevice(path, 'read-only', flags)
  const state = await inspectRing(journal, { signal: stop.signal, ...limitOf(flags) })
  const found = await readStatus(journal, state, flags.items ?? SHOWN_ITEMS, stop.signal)
  if (found.problem instanceof Stopped) throw found.problem
  if (flags.json === true) {
    const { problem } = found
    const error = problem !== undefined && { error: errorObject(asCommandError(problem)) }
    await output.write(`${safeJson({ ...statusJson(found), ...error })}\n`)
  } else {
    await output.write(statusText(found, output.columns))
  }
  if (found.problem !== undefined) throw found.problem
}
