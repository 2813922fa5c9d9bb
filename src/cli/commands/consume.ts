import { setTimeout as sleep } from 'node:timers/promises'
import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { systemClock } from '../../clock.ts'
import { Consumer } from '../../ring/access/attach.ts'
import { Waiter } from '../../ring/queue/poll.ts'
import { skipDamageOf } from '../../ring/shared/damage.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { counted } from '../../text/render.ts'
import { openDevice } from '../device/device.ts'
import { checkLeasable } from '../device/leases.ts'
import { emptyNow } from '../errors.ts'
import { device, type ItemFlags, itemFlags, limitOf, namesOf } from '../flags/flags.ts'
import { type LeaseFlags, leaseFlags, leaseOf } from '../flags/lease-flags.ts'
import { parseCount } from '../flags/size.ts'
import { envelopeFlag, type Opener, openerOf, type ShownItem } from '../output/envelope.ts'
import { framesOrLines, ItemPrinter } from '../output/items.ts'
import { LossNotices } from '../output/loss-notices.ts'
import { type Output, standardOutput } from '../output/output.ts'
import { tellIdle, tellPerson } from '../output/person.ts'
import { Stopped, stopSignals } from '../signals.ts'

interface Flags extends ItemFlags, LeaseFlags {
  readonly count?: number
  readonly drain?: boolean
  readonly envelope?: boolean
  readonly frames?: boolean
  readonly skipDamage?: boolean
}

/** Items of one batch: they are written together, and then acknowledged together. */
const BATCH_ITEMS = 8192
/** Time to wait, after each of the first batches, for a pipe's reader to close it. */
const HESITATION_MS = 2

const fullDescription = `Prints each item on a line and acknowledges it: until it is stopped, --count items, or with --drain until the ring is
empty (with both flags, whichever comes first).

An item is acknowledged only after standard output has taken it: a file has it on stable storage, a pipe in its
buffer. If the reader goes away, or this is killed, items that were not taken stay in the ring, and some that were
taken may be printed again next time. Items in a pipe's buffer count as taken, and a reader such as head takes more
than it prints: for exactly three items use --count 3.

Damage ends it, and damaged items stay in the ring. --skip-damage acknowledges damaged items and continues: all sound
items are printed, and standard error reports each loss, and the number of lost items at the end. It also reports items
that a ring of \`--on-full overwrite\` overwrote before they were read. In format 1, items after a damaged one cannot be
found.

With --envelope each line has time, id, key and headers of an item's envelope (sbr produce --envelope), a tab, and the
item within. An item that is no envelope ends it, and stays in the ring.

With --json: one object per item and line, as sbr head prints, and losses likewise on standard error.

On a terminal, control characters in items are shown as escapes. Elsewhere items are printed unchanged; they may
contain newlines, so use --frames for arbitrary bytes.

Exit codes: 0 done, and without --count and --drain also when stopped (by a signal, or because the reader of a pipe
went away); 3 --drain found nothing; 128 + n stopped by signal n before it was done; 1 anything else.

EXAMPLES
  sbr consume ring.img --drain > items.txt
  sbr consume ring.img --count 1
  sbr consume ring.img --drain --skip-damage > sound.txt
  sbr consume /dev/vg0/queue --queue logs --client indexer | ./index`

export const consume: Command<CommandContext> = buildCommand({
  docs: { brief: 'Print items and acknowledge them', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      count: {
        kind: 'parsed',
        brief: 'Stop after this many items',
        placeholder: 'N',
        optional: true,
        parse: parseCount,
      },
      drain: {
        kind: 'boolean',
        brief: 'Stop when the ring is empty',
        optional: true,
        withNegated: false,
      },
      frames: {
        kind: 'boolean',
        brief: 'Print items of any bytes, each after its length as 4 bytes, little-endian',
        optional: true,
        withNegated: false,
      },
      envelope: envelopeFlag,
      skipDamage: {
        kind: 'boolean',
        brief: 'Skip damaged items: report and acknowledge them',
        optional: true,
        withNegated: false,
      },
      ...leaseFlags,
      ...itemFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const output = standardOutput(stop.signal)
  const open = openerOf(flags)
  const form = flags.json === true ? 'json' : framesOrLines(flags.frames, output)
  const { signal } = stop
  const options = { ...namesOf(flags), ...limitOf(flags), ...leaseOf(flags), signal }
  await using ring = await openDevice(path, 'read-write', flags)
  await checkLeasable(ring, options)
  await using consumer = await Consumer.attach(ring, options)
  const forEver = flags.count === undefined && flags.drain !== true
  const losses = new LossNotices(path, flags.json === true)
  let done = 0
  try {
    const printing = { output, printer: new ItemPrinter(output, form, consumer.format), open }
    const printed = await printItems(consumer, flags, printing, losses, stop.signal)
    if (printed === 0) throw emptyNow(path)
    done = printed
  } catch (error) {
    if (!(forEver && error instanceof Stopped)) throw error
  } finally {
    losses.sum()
    if (done > 0) tellPerson(`${path}: ${counted(done, 'item')} consumed`, flags.json)
  }
}

/** The format of printed items. */
interface Printing {
  readonly output: Output
  readonly printer: ItemPrinter
  readonly open: Opener
}

/** Returns how many items were printed. */
async function printItems(
  consumer: Consumer,
  { count = Number.POSITIVE_INFINITY, drain, json, skipDamage }: Flags,
  { output, printer, open }: Printing,
  losses: LossNotices,
  signal: AbortSignal,
): Promise<number> {
  const waiter = new Waiter(consumer.device, systemClock)
  let printed = 0
  using idle = drain === true ? undefined : tellIdle(consumer.device.name, json)
  // A pipe buffers a lot that a reader like `head` never reads, so the first writes are small.
  let limit = output.kind === 'stream' ? 1 : BATCH_ITEMS
  try {
    while (printed < count) {
      const maxItems = Math.min(limit, count - printed)
      const batch = await popBatch(consumer, maxItems, losses, skipDamage === true, signal)
      if (batch.length === 0) {
        if (drain === true) break
        await waiter.pause(signal)
        continue
      }
      idle?.[Symbol.dispose]()
      const { opened, problem } = openAll(batch, open, consumer.format)
      for (const shown of opened) await printer.add(shown)
      await printer.end()
      await output.flush()
      const done = opened.at(-1)
      if (done !== undefined) await consumer.advance(done.position)
      if (problem !== undefined) throw problem
      printed += batch.length
      waiter.reset()
      if (limit < BATCH_ITEMS) await sleep(HESITATION_MS)
      limit = Math.min(2 * limit, BATCH_ITEMS)
    }
    return printed
  } finally {
    waiter.close()
  }
}

/** The items up to the first one that is no envelope, and the error of that one. */
function openAll(
  batch: readonly PoppedItem[],
  open: Opener,
  format: 1 | 2,
): { readonly opened: readonly ShownItem[]; readonly problem?: unknown } {
  const opened: ShownItem[] = []
  try {
    for (const popped of batch) opened.push(open(popped, format))
    return { opened }
  } catch (problem) {
    return { opened, problem }
  }
}

/** The next items, after reporting losses before them. */
async function popBatch(
  consumer: Consumer,
  maxItems: number,
  losses: LossNotices,
  skipDamage: boolean,
  signal: AbortSignal,
): Promise<readonly PoppedItem[]> {
  for (;;) {
    signal.throwIfAborted()
    try {
      const batch = await consumer.popMany({ maxItems, signal })
      for (const { missed = 0 } of batch) losses.missed(missed)
      return batch
    } catch (error) {
      if (!skipDamage) throw error
      const damage = skipDamageOf(error)
      losses.damaged(damage)
      await consumer.advance(damage.position)
    }
  }
}
