import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { type Migrated, migrateRing } from '../../ring/migrate.ts'
import { inspectRing, Producer } from '../../ring/ring.ts'
import { openDevice } from '../device.ts'
import { usageError, withNote } from '../errors.ts'
import { commonFlags, device } from '../flags.ts'
import { isThere, type MakeFlags, openOrCreate } from '../make.ts'
import { standardOutput } from '../output.ts'
import { showProgress } from '../progress.ts'
import { grouped, safeJson, safeText } from '../render.ts'
import { type RingFlags, ringFlags, ringOptions } from '../ring-flags.ts'
import { isSameFile } from '../same-file.ts'
import { stopSignals } from '../signals.ts'
import { parseSize } from '../size.ts'

interface Flags extends MakeFlags, RingFlags {
  readonly keep?: boolean
  readonly add?: boolean
  readonly skipDamage?: boolean
}

const fullDescription = `Moves all items of the ring OLD to the ring NEW: to another format, size or device. NEW is made where there is
none, as \`sbr create\` does it. Takes the consumer's role of OLD and the producer's of NEW.

OLD gives nothing back before all items are on stable storage in NEW. A run that was stopped, or killed, loses
nothing: run it again, and it goes on where it was, and moves no item twice. Suspend OLD first (\`sbr suspend\`), or
what its producer pushes later stays there; with --add, a later run moves that too.

With --json: one object with "from", "to", "items", "bytes" and "before", the items that an earlier run had moved.

Exit codes: 0 all items are in NEW; 130 or 143 stopped by SIGINT or SIGTERM before that; 1 anything else.

EXAMPLES
  sbr migrate old.img new.img --size 1GiB
  sbr migrate old.img /dev/vg0/queue --keep`

export const migrate: Command<CommandContext> = buildCommand({
  docs: { brief: 'Move all items to another ring: of another format or size', fullDescription },
  parameters: {
    positional: {
      kind: 'tuple',
      parameters: [
        { ...device, placeholder: 'OLD' },
        { ...device, brief: 'The new ring, which is made if it is not there', placeholder: 'NEW' },
      ],
    },
    flags: {
      keep: {
        kind: 'boolean',
        brief: 'Leave the items in OLD as well',
        optional: true,
        withNegated: false,
      },
      add: {
        kind: 'boolean',
        brief: 'Add to a NEW that has, or had, items of its own or of an earlier run',
        optional: true,
        withNegated: false,
      },
      skipDamage: {
        kind: 'boolean',
        brief: 'Step over what is damaged in OLD',
        optional: true,
        withNegated: false,
      },
      size: {
        kind: 'parsed',
        brief: 'Bytes of NEW, if it is a file to be made (default: 64MiB)',
        placeholder: 'SIZE',
        optional: true,
        parse: parseSize,
      },
      ...ringFlags,
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, from: string, to: string): Promise<void> {
  using stop = stopSignals()
  if ((await isThere(to)) && (await isSameFile(from, to))) {
    throw usageError(`${from} and ${to} are the same`)
  }
  await using source = await openDevice(from, 'read-write', flags)
  const { waitingItems } = await inspectRing(source)
  const options = ringOptions(flags)
  await using target = await openOrCreate(to, flags, options, stop.signal)
  await Producer.create(target, options)
  const moved = await move(source, target, flags, waitingItems, stop.signal)
  const { items, bytes, before } = moved
  const earlier = before > 0 ? `; ${grouped(before)} were there already` : ''
  const line =
    flags.json === true
      ? safeJson({ from, to, items, bytes, before })
      : `${safeText(to)}: moved ${grouped(items)} items, ${grouped(bytes)} bytes${earlier}`
  await standardOutput(stop.signal).write(`${line}\n`)
}

async function move(
  source: BlockDevice,
  target: BlockDevice,
  flags: Flags,
  total: number | undefined,
  signal: AbortSignal,
): Promise<Migrated> {
  using progress = showProgress('moving')
  let moved: Migrated = { items: 0, bytes: 0, before: 0 }
  const onProgress = (now: Migrated): void => {
    moved = now
    const part = total === undefined ? 0 : (now.items + now.before) / Math.max(1, total)
    progress.update(now.bytes, part > 0 ? now.bytes / part : Number.POSITIVE_INFINITY)
  }
  try {
    return await migrateRing(source, target, {
      ...{ keep: flags.keep === true, add: flags.add === true, onProgress, signal },
      onDamage: flags.skipDamage === true ? 'skip' : 'stop',
    })
  } catch (error) {
    const note = `Moved so far: ${moved.items + moved.before} items, which are in both rings; run it again to go on`
    throw withNote(error, note, { moved: moved.items + moved.before })
  }
}
