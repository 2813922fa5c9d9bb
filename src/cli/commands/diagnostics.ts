import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { inspectRing } from '../../ring/access/inspect.ts'
import { cannotRead } from '../../ring/report/unreadable.ts'
import { openDevice } from '../device/device.ts'
import { leasesOf } from '../device/leases.ts'
import { holdersOf } from '../device/take-roles.ts'
import { CommandError, EXIT } from '../errors.ts'
import {
  device,
  type ItemFlags,
  limitOf,
  maxItem,
  type ReportFlags,
  reportFlags,
} from '../flags/flags.ts'
import { parseWhole } from '../flags/size.ts'
import { standardOutput } from '../output/output.ts'
import { writeJson } from '../output/report-json.ts'
import { writeText } from '../output/report-text.ts'
import { styleFor } from '../output/style.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends ReportFlags, Pick<ItemFlags, 'maxItem'> {
  readonly items?: number
  readonly noItems?: boolean
}

const SHOWN_ITEMS = 10

const fullDescription = `Prints the first items of a ring, and its state, with what keeps it from its work and the command that leads
out of it. Opens the device read-only, takes no role and changes nothing; works while
producer and consumer run (items that are acknowledged meanwhile are left out).

The holders of the roles are known on this machine only; of another container, only that there is a holder.

With --json: one object with "format", "sectorSize", "sizeSectors", "producer", "consumer", "capacityBytes",
"usedBytes", "freeBytes", "atWork" ("producer" and "consumer": true or false), "holders" ("producer" and "consumer", each absent or
with "holder", "pid", "host" and "since"), in format 2 "leases" (of each role, as of sbr lease show) and, without
--no-items, "items": all, or --items N of them. Positions, including those of both sides
("offset"), are strings: EPOCH:ITEM in format 2, bytes in format 1; an item's position is its end. If some items
cannot be read, an "error" follows them, and the exit code is 1.
Unreadable sectors are read around and reported ("unreadable": "offset" and "bytes"): the output may then be
incomplete or outdated, and the exit code is 1.

For format 2 there are also "ring" (its "uuid", "name", "blockSize", "onFull"), "waitingItems",
"waitingBytes", and "stats", since the ring was made: "committedItems", "committedBytes", "acknowledgedItems",
"acknowledgedBytes", "damagedItems", "missedItems" (overwritten before they were acknowledged), "commits" and "fullPushes"
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
      items: {
        kind: 'parsed',
        brief: `Show this many of the first items (default: ${SHOWN_ITEMS}; with --json all)`,
        placeholder: 'N',
        optional: true,
        parse: parseWhole,
      },
      noItems: {
        kind: 'boolean',
        brief: 'Omit the items',
        optional: true,
        withNegated: false,
      },
      maxItem,
      ...reportFlags,
    },
  },
  func: run,
})

function shownOf({ items, noItems, json }: Flags): number {
  if (noItems === true) return 0
  return items ?? (json === true ? Number.POSITIVE_INFINITY : SHOWN_ITEMS)
}

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  await using ring = await openDevice(path, 'read-only', flags)
  const state = await inspectRing(ring, { salvage: true, signal: stop.signal, ...limitOf(flags) })
  const output = standardOutput(stop.signal)
  const holders = await holdersOf(ring)
  const leases = await leasesOf(ring)
  const circumstances = { device: path, holders, leases, now: Date.now() }
  const options = { items: shownOf(flags), signal: stop.signal, ...circumstances }
  if (flags.json === true) await writeJson(output, state, options)
  else await writeText(output, state, options, styleFor(output, flags.exact))
  const [lost] = state.unreadable ?? []
  if (lost === undefined) return
  const message = `a part of ${path} ${cannotRead(lost)}; sbr verify reports what that costs`
  throw new CommandError(EXIT.fault, 'BLOCK_IO', message, { device: path, offset: lost.offset })
}
