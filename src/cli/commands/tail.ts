import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import type { Followed, RingFollower, RingInspection } from '../../ring/inspection.ts'
import { Waiter } from '../../ring/queue/poll.ts'
import { skipDamageOf } from '../../ring/shared/damage.ts'
import { itemNumber } from '../../ring/shared/position-text.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { counted, safeJson } from '../../text/render.ts'
import { openDevice } from '../device/device.ts'
import { lastItems } from '../device/last-items.ts'
import { CommandError, EXIT, emptyNow, usageError } from '../errors.ts'
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
import { tell } from '../output/person.ts'
import { Stopped, stopSignals } from '../signals.ts'

interface Flags extends ShownItemFlags {
  readonly envelope?: boolean
  readonly count?: number
  readonly consumed?: boolean
  readonly follow?: boolean
}

const fullDescription = `Prints the items that were pushed last and wait, a line each, oldest first, and leaves them in the ring. Opens the
device read-only, takes no role and changes nothing; works while producer and consumer run.

--follow continues with items as they are committed, until it is stopped. It does not hold up the ring: items that were
consumed and overwritten before they could be read are counted on standard error (with --json: {"event":"missed",
"items":N}). In format 1, which has no checksums, that is so for all items that were consumed before they were read,
and "bytes" are counted. Damaged items are reported and skipped.

--consumed prints the items that were consumed last: the last line is what the consumer acknowledged last. They are on
the device until newer items overwrite them. An item is printed only if all of its batch verifies and led to the
consumer's position; items that a full ring of \`--on-full overwrite\` gave up before they were consumed are among
them. Format 1 has no checksums, so there it is refused.

Prints as sbr consume does: on a terminal with control characters as escapes, elsewhere unchanged; --frames is for
items that contain newlines. All that is printed first has to fit into 64 MiB, and is read from the end of the ring
on: damage ends it, and only the items after the damage are printed (format 1 is read from the start).

${ITEM_LINES}

Exit codes: 0 done, and with --follow also when stopped; 3 there is no such item; 1 anything else.

EXAMPLES
  sbr tail ring.img -n 3
  sbr tail ring.img --follow --json | jq -r .pushedAt
  sbr tail ring.img --consumed -n 1 --json`

export const tail: Command<CommandContext> = buildCommand({
  docs: { brief: 'Print the last items, waiting or consumed, changing nothing', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      count: shownItems,
      follow: {
        kind: 'boolean',
        brief: 'Go on with new items, until it is stopped',
        optional: true,
        withNegated: false,
      },
      consumed: {
        kind: 'boolean',
        brief: 'The items that were consumed last, while they are on the device (format 2)',
        optional: true,
        withNegated: false,
      },
      envelope: envelopeFlag,
      ...shownItemFlags,
    },
    aliases: { n: 'count', f: 'follow' },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const { signal } = stop
  const { count = SHOWN_ITEMS, consumed, follow } = flags
  if (consumed === true && follow === true) {
    throw usageError(
      '--follow continues with new items, --consumed shows old ones: give one of them',
    )
  }
  const output = standardOutput(signal)
  const open = openerOf(flags)
  const form = flags.json === true ? 'json' : framesOrLines(flags.frames, output)
  await using ring = await openDevice(path, 'read-only', flags)
  const state = await inspectRing(ring, { signal, ...limitOf(flags) })
  const printer = new ItemPrinter(output, form, state.format)
  const print = async (items: readonly PoppedItem[]): Promise<void> => {
    try {
      for (const popped of items) await printer.add(open(popped, state.format))
    } finally {
      // Also the items before one that is no envelope.
      await printer.end()
    }
  }
  try {
    const last = await lastItems(state, count, consumed === true, signal)
    await print(last.items)
    if (last.problem !== undefined) throw last.problem
    if (follow === true) await goOn(ring, state, print, flags.json === true, signal)
    else if (last.items.length === 0) throw consumed === true ? noneConsumed(path) : emptyNow(path)
    else if (consumed === true && flags.json !== true) tellGone(path, last.items, count)
  } catch (error) {
    if (follow !== true || !(error instanceof Stopped)) throw error
  }
}

function noneConsumed(path: string): CommandError {
  const message = `nothing that was consumed can be read from ${path}: nothing was, or it is overwritten`
  return new CommandError(EXIT.nothingNow, 'CLI_EMPTY', message, { device: path })
}

/** Reports that there were more items, if there were. */
function tellGone(path: string, items: readonly PoppedItem[], count: number): void {
  const [first] = items
  if (first === undefined || items.length === count || itemNumber(first.position, 2) === 1) return
  tell(`${path}: what was consumed before these is overwritten, or does not verify`)
}

/** Prints items as they are committed, until the signal ends it. */
async function goOn(
  ring: BlockDevice,
  state: RingInspection,
  print: (items: readonly PoppedItem[]) => Promise<void>,
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  const follower = state.follow()
  const waiter = new Waiter(ring, systemClock)
  using losses = new LossNotices(ring.name, json)
  try {
    for (;;) {
      const { items, missedItems = 0, missedBytes = 0 } = await readOn(follower, losses, signal)
      const isMissed = missedItems + missedBytes > 0
      if (isMissed) tellMissed(ring.name, missedItems, missedBytes, json)
      await print(items)
      if (items.length > 0 || isMissed) waiter.reset()
      else await waiter.pause(signal)
    }
  } finally {
    waiter.close()
  }
}

/** The next items, after reporting damage before them. */
async function readOn(
  follower: RingFollower,
  losses: LossNotices,
  signal: AbortSignal,
): Promise<Followed> {
  for (;;) {
    signal.throwIfAborted()
    try {
      return await follower.read({ signal })
    } catch (error) {
      losses.damaged(skipDamageOf(error))
    }
  }
}

function tellMissed(path: string, items: number, bytes: number, json: boolean): void {
  if (json) {
    const counts = items > 0 ? { items } : { bytes }
    process.stderr.write(`${safeJson({ event: 'missed', ...counts })}\n`)
  } else if (items > 0) {
    tell(`${path}: ${counted(items, 'item')} not shown: overwritten before being read`)
  } else {
    tell(`${path}: ${counted(bytes, 'byte')} of items not shown: consumed before being read`)
  }
}
