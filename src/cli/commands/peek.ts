import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { Position } from '../../position.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { parsePosition } from '../../ring/shared/position-text.ts'
import { openDevice } from '../device/device.ts'
import { findItem, noSuchItem, type Wanted } from '../device/find-item.ts'
import { usageError } from '../errors.ts'
import { type CommonFlags, commonFlags, device, limitOf, maxItem } from '../flags/flags.ts'
import { parseCount } from '../flags/size.ts'
import { envelopeFlag, openerOf } from '../output/envelope.ts'
import { ItemPrinter } from '../output/items.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags, Wanted {
  readonly envelope?: boolean
  readonly maxItem?: number
}

const fullDescription = `Prints one item, byte for byte and nothing else, and leaves it in the ring: the one that the consumer gets next, or with
--at or --number another one. Opens the device read-only, takes no role and changes nothing; works while producer and
consumer run. On a terminal, control characters are shown as escapes.

In format 2 an item that was consumed is found as well, while it is on the device and verifies (see sbr tail
--consumed).

With --json: one object with "position" (EPOCH:ITEM in format 2, bytes in format 1; the end of the item), "number" and
"pushedAt" (format 2), "bytes" and "hex"; with --envelope, which prints the item within, also "time", "id" and "key",
if there are such, and "headers".

Exit codes: 0 done; 3 the ring is empty, or has no such item; 1 anything else.

EXAMPLES
  sbr peek ring.img > item
  sbr peek ring.img --at 1:42 --json
  sbr peek ring.img --number 42 | xxd`

export const peek: Command<CommandContext> = buildCommand({
  docs: { brief: 'Print one item, byte for byte, changing nothing', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      at: {
        kind: 'parsed',
        brief: 'The item that ends at this position, as errors and --json show it',
        placeholder: 'POSITION',
        optional: true,
        parse: parseAt,
      },
      number: {
        kind: 'parsed',
        brief: 'The item of this number, counted from 1 since the ring was made (format 2)',
        placeholder: 'N',
        optional: true,
        parse: parseCount,
      },
      envelope: envelopeFlag,
      maxItem,
      ...commonFlags,
    },
  },
  func: run,
})

function parseAt(text: string): Position {
  try {
    return parsePosition(text)
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message)
    throw error
  }
}

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const { signal } = stop
  if (flags.at !== undefined && flags.number !== undefined) {
    throw usageError('--at and --number name one item: give one of them')
  }
  const open = openerOf(flags)
  const output = standardOutput(signal)
  await using ring = await openDevice(path, 'read-only', flags)
  const state = await inspectRing(ring, { signal, ...limitOf(flags) })
  if (state.format === 1 && flags.number !== undefined) {
    throw usageError(`--number: ${path} is of format 1, which does not count items; use --at`)
  }
  const found = await findItem(state, flags, signal)
  if (found === undefined) throw noSuchItem(path, state, flags)
  const printer = new ItemPrinter(output, flags.json === true ? 'json' : 'raw', state.format)
  await printer.add(open(found, state.format))
  await printer.end()
}
