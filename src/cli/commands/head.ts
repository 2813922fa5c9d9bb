import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { inspectRing } from '../../ring/access/inspect.ts'
import { openDevice } from '../device/device.ts'
import { emptyNow } from '../errors.ts'
import { device, limitOf } from '../flags/flags.ts'
import {
  SHOWN_ITEMS,
  type ShownItemFlags,
  shownItemFlags,
  shownItems,
} from '../flags/item-flags.ts'
import { envelopeFlag, openerOf } from '../output/envelope.ts'
import { framesOrLines, ITEM_LINES, ItemPrinter } from '../output/items.ts'
import { LossNotices } from '../output/loss-notices.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends ShownItemFlags {
  readonly envelope?: boolean
  readonly count?: number
}

const fullDescription = `Prints the items that the consumer gets next, a line each, and leaves them in the ring. Opens the device read-only,
takes no role and changes nothing; works while producer and consumer run (items that are acknowledged meanwhile are
left out).

Prints as sbr consume does: on a terminal with control characters as escapes, elsewhere unchanged; --frames is for
items that contain newlines. Damage ends it, as it would end the consumer.

${ITEM_LINES}

Exit codes: 0 done; 3 the ring is empty; 1 anything else.

EXAMPLES
  sbr head ring.img
  sbr head ring.img -n 1 --json | jq -r .pushedAt`

export const head: Command<CommandContext> = buildCommand({
  docs: { brief: 'Print the items that the consumer gets next, changing nothing', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: { count: shownItems, envelope: envelopeFlag, ...shownItemFlags },
    aliases: { n: 'count' },
  },
  func: run,
})

async function run({ count = SHOWN_ITEMS, ...flags }: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const { signal } = stop
  const output = standardOutput(signal)
  const open = openerOf(flags)
  const form = flags.json === true ? 'json' : framesOrLines(flags.frames, output)
  await using ring = await openDevice(path, 'read-only', flags)
  const { format, items } = await inspectRing(ring, { signal, ...limitOf(flags) })
  const printer = new ItemPrinter(output, form, format)
  const losses = new LossNotices(path, flags.json === true)
  let shown = 0
  try {
    for await (const popped of items()) {
      signal.throwIfAborted()
      losses.missed(popped.missed ?? 0)
      await printer.add(open(popped, format))
      shown++
      if (shown === count) break
    }
  } finally {
    // Also the items before a damaged one.
    await printer.end()
  }
  if (shown === 0) throw emptyNow(path)
}
