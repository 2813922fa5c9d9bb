import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { inspectRing } from '../../../ring/access/inspect.ts'
import { safeJson } from '../../../text/render.ts'
import { openDevice } from '../../device/device.ts'
import { asCommandError } from '../../errors.ts'
import {
  device,
  type ItemFlags,
  limitOf,
  maxItem,
  type ReportFlags,
  reportFlags,
} from '../../flags/flags.ts'
import { parseWhole } from '../../flags/size.ts'
import { readStatus, statusJson, statusText } from '../../journal/journal-status.ts'
import { standardOutput } from '../../output/output.ts'
import { errorObject } from '../../output/render-error.ts'
import { styleFor } from '../../output/style.ts'
import { Stopped, stopSignals } from '../../signals.ts'

interface Flags extends ReportFlags, Pick<ItemFlags, 'maxItem'> {
  readonly items?: number
}

const SHOWN_ITEMS = 10

const fullDescription = `Prints the pending operations. Opens the device read-only, takes no role and changes nothing; works while
a \`journal push\`, a \`journal run\` or a program with a Journal runs. It reads every pending operation
once, to count it; operations that are performed meanwhile are left out.

"pusher" and "performer" are the texts that the last of them left on the device, with the names they were
given. Only a performer on this machine is known to be running or not.

With --json: one object with "device", "pendingOperations", "pendingBytes" (in the ring, with lengths and
padding), "capacityBytes", "producer" and "consumer" ("offset", a position, and "text"; "suspendAck" and
"suspend"), "performing" and "operations", the first of them: "position" is the operation's end, as a
string (EPOCH:ITEM in format 2, bytes in format 1), "bytes" its length, "startHex" its first 256 bytes. If some
cannot be read, an "error" follows, "pendingOperations" counts those read before it, and the exit code is 1.

EXAMPLES
  sbr journal status outbox.img
  sbr journal status outbox.img --json --items 0 | jq .pendingOperations`

export const status: Command<CommandContext> = buildCommand({
  docs: { brief: 'Show the pending operations, changing nothing', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      items: {
        kind: 'parsed',
        brief: `Show this many of the first operations (default: ${SHOWN_ITEMS})`,
        placeholder: 'N',
        optional: true,
        parse: parseWhole,
      },
      maxItem,
      ...reportFlags,
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
    await output.write(statusText(found, output.columns, styleFor(output, flags.exact)))
  }
  if (found.problem !== undefined) throw found.problem
}
