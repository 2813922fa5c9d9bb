import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { Consumer } from '../../ring/access/attach.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { UNNAMED } from '../../ring/names.ts'
import { counted, safeText } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
import { openDevice } from '../device/device.ts'
import { checkNotSame } from '../device/same-storage.ts'
import { takePushing } from '../device/take-roles.ts'
import { asCommandError, emptyNow, usageError, withNote } from '../errors.ts'
import {
  type ItemFlags,
  itemFlags,
  limitOf,
  namedDevice,
  namesOf,
  sectorSize,
} from '../flags/flags.ts'
import { parseCount } from '../flags/size.ts'
import { type MoveFlags, Mover } from '../input/mover.ts'
import { Pusher } from '../input/pusher.ts'
import { standardOutput } from '../output/output.ts'
import { WaitNotice } from '../output/wait-notice.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends ItemFlags, MoveFlags {
  readonly noWait?: boolean
  readonly otherSectorSize?: number
}

const fullDescription = `Moves the next item of DEVICE to the end of OTHER: one that the consumer cannot process, for example. Takes the
consumer's role of DEVICE and the producer's role of OTHER, so end the programs that hold them. The rings may have
different formats. Moves bytes: nothing is decoded.

An item is acknowledged in DEVICE once OTHER has it on stable storage. If this is killed in between, the item is in
both rings, never in neither; run again, it moves the item again.

The item keeps the time of its push if both rings are of format 2. Waits while OTHER is full or suspended, and after
a moment says so on standard error; with --no-wait it gives up, and says how many items were moved. It does not wait
for items in DEVICE: with --count N it moves fewer if there are fewer.

A damaged item is not moved, and ends it. --skip-damage acknowledges it, reports it, and moves the items after it.

With --json: one object per moved item and line, with "position" and "number" in DEVICE, "pushedAt" and "bytes".

Exit codes: 0 done; 3 DEVICE is empty, or OTHER has no room, with --no-wait; 4 OTHER is suspended, with --no-wait; 2
OTHER is DEVICE; 130 or 143 stopped by SIGINT or SIGTERM, between two items; 1 anything else.

EXAMPLES
  sbr head ring.img -n 1
  sbr move ring.img set-aside.img
  sbr move set-aside.img ring.img --count all`

export const move: Command<CommandContext> = buildCommand({
  docs: { brief: 'Move the next items to the end of another ring', fullDescription },
  parameters: {
    positional: {
      kind: 'tuple',
      parameters: [
        namedDevice,
        { ...namedDevice, brief: 'The ring that gets them', placeholder: 'OTHER' },
      ],
    },
    flags: {
      count: {
        kind: 'parsed',
        brief: 'Move this many items, or all (default: 1)',
        placeholder: 'N|all',
        optional: true,
        parse: (text: string) => (text === 'all' ? Number.POSITIVE_INFINITY : parseCount(text)),
      },
      noWait: {
        kind: 'boolean',
        brief: 'Give up when OTHER is full or suspended',
        optional: true,
        withNegated: false,
      },
      skipDamage: {
        kind: 'boolean',
        brief: 'Skip damaged items: report and acknowledge them',
        optional: true,
        withNegated: false,
      },
      ...itemFlags,
      sectorSize: {
        ...sectorSize,
        brief: "Bytes in a sector of DEVICE (default: 512; a raw device's own)",
      },
      otherSectorSize: {
        ...sectorSize,
        brief: "Bytes in a sector of OTHER (default: 512; a raw device's own)",
      },
    },
    aliases: { n: 'count' },
  },
  func: run,
})

async function run(flags: Flags, from: string, to: string): Promise<void> {
  using stop = stopSignals()
  const { signal } = stop
  const { otherSectorSize, sectorSize: _, ...others } = flags
  await using source = await openDevice(from, 'read-write', flags)
  await using target = await openDevice(to, 'read-write', {
    ...others,
    ...(otherSectorSize !== undefined && { sectorSize: otherSectorSize }),
  })
  await checkNotSame(from, to)
  const { ring } = await inspectRing(source, { signal })
  const other = await inspectRing(target, { signal })
  if (ring !== undefined && ring.uuid === other.ring?.uuid) {
    throw usageError(`${from} and ${to} are the same ring, ${ring.uuid}, or copies of one`)
  }
  const names = { ...namesOf(flags), ...limitOf(flags) }
  await using consumer = await Consumer.attach(source, { ...names, signal })
  const mover = new Mover(consumer, flags, standardOutput(signal), signal)
  try {
    const first = await mover.next()
    if (first.length === 0) throw emptyNow(from)
    await using _pushing = await takePushing(target, flags.client ?? UNNAMED)
    const notice = flags.json === true ? undefined : new WaitNotice(to)
    const options = { wait: flags.noWait !== true, signal, notice }
    await using pusher = await Pusher.open(target, names, options)
    for (let runs = first; runs.length > 0; runs = await mover.next()) {
      for (const items of runs) await mover.move(items, pusher)
    }
  } catch (error) {
    const { moved } = mover
    const { code } = asCommandError(error)
    const next =
      code === 'RING_DAMAGED'
        ? `; to skip it here: sbr move ${shellWord(from)} ${shellWord(to)} --skip-damage`
        : ''
    throw withNote(error, `Items moved: ${moved}${next}`, { moved })
  } finally {
    mover.end()
  }
  if (flags.json === true) return
  const text = `moved ${counted(mover.moved, 'item')}, ${counted(mover.bytes, 'byte')}`
  await standardOutput(signal).write(`${safeText(to)}: ${text}\n`)
}
