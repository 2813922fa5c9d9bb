import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { inspectRing } from '../../ring/attach.ts'
import { cannotRead } from '../../ring/report/read-around.ts'
import { openDevice } from '../device/device.ts'
import { holdersOf } from '../device/roles.ts'
import { CommandError, EXIT } from '../errors.ts'
import {
  type CommonFlags,
  commonFlags,
  device,
  type ItemFlags,
  limitOf,
  maxItem,
} from '../flags/flags.ts'
import { standardOutput } from '../output/output.ts'
import { writeJson } from '../output/report-json.ts'
import { writeText } from '../output/report-text.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags, Pick<ItemFlags, 'maxItem'> {
  readonly noItems?: boolean
}

const fullDescription = `Prints the ring's state and its items. Opens the device read-only, takes no role and changes nothing; works while
producer and consumer run (items that are acknowledged meanwhile are left out).

The holders of the roles are known on this machine only; of another container, only that there is a holder.

With --json: one object with "format", "sectorSize", "sizeSectors", "producer", "consumer", "capacity", "used",
"free", "atWork" ("producer" and "consumer": true or false), "holders" ("producer" and "consumer", each absent or
with "holder", "pid", "host" and "since") and, without --no-items, "items". Positions, including those of both sides
("offset"), are strings: EPOCH:ITEM in format 2, bytes in format 1; an item's position is its end. If some items
cannot be read, an "error" follows them, and the exit code is 1.
Unreadable sectors are read around and reported ("unreadable": "offset" and "bytes"): the output may then be
incomplete or outdated, and the exit code is 1.

For format 2 there are also "ring" (its "uuid", "name", "blockSize", "onFull"), "waitingItems",
"waitingBytes", and "stats", since the ring was made: "pushedItems", "pushedBytes", "poppedItems",
"poppedBytes", "damagedItems", "missedItems" (overwritten before they were popped), "commits" and "retries"
(pushes without room); "lagMs", the time from the push of the oldest unacknowledged item to the producer's last write,
0 if there is no such item; and in milliseconds since 1970 "oldestAt", when that item was pushed, and "producerAt" and
"consumerAt", when each side last wrote its slot. "lagMs" and "oldestAt" are absent if damage hides them.

EXAMPLES
  sbr diagnostics ring.img
  sbr diagnostics ring.img --json --no-items | jq .used`

export const diagnostics: Command<CommandContext> = buildCommand({
  docs: { brief: "Show a ring's state and items, changing nothing", fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      noItems: {
        kind: 'boolean',
        brief: 'Omit the items',
        optional: true,
        withNegated: false,
      },
      maxItem,
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  await using ring = await openDevice(path, 'read-only', flags)
  const state = await inspectRing(ring, { salvage: true, signal: stop.signal, ...limitOf(flags) })
  const output = standardOutput(stop.signal)
  const holders = await holdersOf(ring)
  const options = { items: flags.noItems !== true, signal: stop.signal, holders }
  if (flags.json === true) await writeJson(output, state, options)
  else await writeText(output, state, options)
  const [lost] = state.unreadable ?? []
  if (lost === undefined) return
  const message = `a part of ${path} ${cannotRead(lost)}; sbr verify reports what that costs`
  throw new CommandError(EXIT.fault, 'BLOCK_IO', message, { device: path, offset: lost.offset })
}
