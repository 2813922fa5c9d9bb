import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { inspectRing, Producer } from '../../ring/attach.ts'
import { type Migrated, migrateRing } from '../../ring/maintenance/migrate.ts'
import type { RingInspection } from '../../ring/types.ts'
import {
  type MakeFlags,
  modeFlag,
  openOrCreate,
  vacancyAt,
  withModeOf,
} from '../device/create-target.ts'
import { type OpenedDevice, openDevice } from '../device/device.ts'
import { producerAtWork } from '../device/producer-at-work.ts'
import { unmake } from '../device/remove-target.ts'
import { takeRoles } from '../device/roles.ts'
import { checkApart, checkNotSame } from '../device/same-storage.ts'
import { asCommandError, CommandError, EXIT, withNote } from '../errors.ts'
import {
  commonFlags,
  device,
  type ItemFlags,
  limitOf,
  maxItem,
  sectorSize,
} from '../flags/flags.ts'
import { checkRingFlags, type RingFlags, ringFlags, ringOptions } from '../flags/ring-flags.ts'
import { parseSize } from '../flags/size.ts'
import { standardOutput } from '../output/output.ts'
import { showProgress } from '../output/progress.ts'
import { counted, grouped, safeJson, safeText } from '../output/render.ts'
import { WaitNotice } from '../output/wait-notice.ts'
import { stopSignals } from '../signals.ts'

const HOLDER = 'sbr migrate'

interface Flags extends MakeFlags, RingFlags, Pick<ItemFlags, 'maxItem'> {
  readonly newSectorSize?: number
  readonly live?: boolean
  readonly keep?: boolean
  readonly add?: boolean
  readonly skipDamage?: boolean
}

const fullDescription = `Moves all items of the ring OLD to the ring NEW: to another format, size or device. NEW is made where there is
none, as \`sbr create\` does it, for those who may use OLD. Takes the consumer's role of OLD and the producer's of NEW.

OLD gives nothing back before all items are on stable storage in NEW. A run that was stopped, or killed, loses
nothing: run it again, and it goes on where it was, and moves no item twice.

End the producer of OLD first, or suspend it (\`sbr suspend\`): while one is at work, OLD is refused, because what it
pushes after the last item was moved stays there. --live moves what is there all the same, and says so if some may be
left; with --live --add, a later run moves that too. A producer on another host shows only if it leases its role.

A NEW that this made is taken back if it ends before an item was moved. --sector-size and --new-sector-size matter for
format 1, and for raw devices: one is of OLD alone, the other of NEW alone.

Keep others from pushing to NEW before OLD is empty: that hides how far a run came. Such a NEW is refused, and with
--add all that is in OLD is moved, also what an earlier run has moved already.

Items keep the time when they were pushed, to the second, as \`sbr diagnostics NEW\` shows it: those of one second may
share a commit, and the time of the first. Format 1 records no times: from it, items get that of the migration.

Waits while NEW is full or suspended, and says so on standard error if that takes long. Without --skip-damage,
damage in OLD ends it.

With --json: one object with "from", "to", "items", "bytes", "before", the items that an earlier run had moved, and
what is not in NEW: "damaged", the items that --skip-damage stepped over, and "missed", those that OLD's producer
overwrote meanwhile; and "live", whether a producer was at work on OLD at the end.

Exit codes: 0 all items are in NEW, but for those that it tells of; 130 or 143 stopped by SIGINT or SIGTERM before
that; 2 NEW is there, and is not as the flags say; 1 anything else.

EXAMPLES
  sbr migrate old.img new.img --size 1GiB
  sbr migrate old.img /dev/vg0/queue --keep`

const oldSectors = "Bytes in a sector of OLD (default: 512; a raw device's own)"
const newSectors = "Bytes in a sector of NEW (default: 512; a raw device's own)"

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
      live: {
        kind: 'boolean',
        brief:
          'Move also while a producer is at work on OLD: what it pushes at the end stays there',
        optional: true,
        withNegated: false,
      },
      add: {
        kind: 'boolean',
        brief:
          'Move to a NEW that had other items too: also what an earlier run cut short has moved',
        optional: true,
        withNegated: false,
      },
      skipDamage: {
        kind: 'boolean',
        brief: 'Step over items that are damaged in OLD, and say how many',
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
      mode: modeFlag,
      maxItem,
      ...ringFlags,
      ...commonFlags,
      sectorSize: { ...sectorSize, brief: oldSectors },
      newSectorSize: { ...sectorSize, brief: newSectors },
    },
  },
  func: run,
})

async function run(flags: Flags, from: string, to: string): Promise<void> {
  using stop = stopSignals()
  const { signal } = stop
  const vacancy = await vacancyAt(to)
  if (vacancy !== 'nothing') await checkNotSame(from, to)
  await using source = await openDevice(from, 'read-write', flags)
  const { waitingItems } = await inspectRing(source, { signal })
  if (flags.live !== true) await checkNoProducer(source, signal)
  const options = ringOptions(flags)
  const makeFlags = await withModeOf(from, flagsOfNew(flags))
  await using target = await ofNew(openOrCreate(to, makeFlags, options, signal))
  let moved: Migrated
  try {
    await makeRing(source, target, flags, signal)
    moved = await move(source, target, flags, waitingItems, signal)
  } catch (error) {
    throw await unmake(target, vacancy, HOLDER, error)
  }
  const producer = await producerAtWork(source, signal)
  const text =
    flags.json === true
      ? safeJson({ from, to, ...moved, live: producer !== undefined })
      : `${safeText(to)}: ${movedText(moved)}`
  await standardOutput(signal).write(`${text}\n`)
  if (flags.json !== true && producer !== undefined) tellLeft(producer, from, flags)
}

/** @throws {CommandError} somebody may push to the ring */
async function checkNoProducer(ring: OpenedDevice, signal: AbortSignal): Promise<void> {
  const producer = await producerAtWork(ring, signal)
  if (producer === undefined) return
  const note =
    `Nothing was moved, because what it pushes after the end was reached stays in ${ring.name}: end it, or suspend it ` +
    `(sbr suspend ${ring.name}), or move what is there all the same with --live`
  throw withNote(producer, note, {})
}

function tellLeft(producer: CommandError, from: string, { keep }: Flags): void {
  const again = `run it again with --live${keep === true ? '' : ' --add'}`
  const text = `${producer.message}. What it pushed after the end was reached stays in ${from}; to move that too, ${again}`
  process.stderr.write(`sbr: ${safeText(text)}\n`)
}

/** The flags as they are for NEW, which has sectors of its own. */
function flagsOfNew(flags: Flags): MakeFlags {
  const { size, mode, requestTimeout, buffered, newSectorSize } = flags
  return {
    ...(size !== undefined && { size }),
    ...(mode !== undefined && { mode }),
    ...(requestTimeout !== undefined && { requestTimeout }),
    ...(buffered !== undefined && { buffered }),
    ...(newSectorSize !== undefined && { sectorSize: newSectorSize }),
  }
}

/** Has what is said of NEW's sectors name the flag that they have here. */
async function ofNew<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { exitCode, code, message, details } = asCommandError(error)
    if (!message.includes('--sector-size')) throw error
    const text = message.replaceAll('--sector-size', '--new-sector-size')
    throw new CommandError(exitCode, code, text, details, error)
  }
}

/** Makes the ring NEW, or checks the one that is there. */
async function makeRing(
  source: OpenedDevice,
  target: OpenedDevice,
  flags: Flags,
  signal: AbortSignal,
): Promise<void> {
  if (await ofNew(Producer.create(target, ringOptions(flags)))) return
  checkRingFlags(flags, await ofNew(inspectRing(target, { signal })), target.name)
  await checkNotItself(source, target, signal)
}

/** A ring that is moved to itself has no end. */
async function checkNotItself(
  source: OpenedDevice,
  target: OpenedDevice,
  signal: AbortSignal,
): Promise<void> {
  const [before, found, after] = [
    await inspectRing(source, { signal }),
    await inspectRing(target, { signal }),
    await inspectRing(source, { signal }),
  ]
  if (!isBetween(before, found, after)) return
  await using _roles = await takeRoles(target, HOLDER)
  await checkApart(source, target)
}

/** Whether three looks, one after the other, can be at one ring, on which somebody may be at work. */
function isBetween(before: RingInspection, found: RingInspection, after: RingInspection): boolean {
  if (found.format !== before.format || found.ring?.uuid !== before.ring?.uuid) return false
  return (['producer', 'consumer'] as const).every((role) => {
    const offset = found[role].offset
    return before[role].offset <= offset && offset <= after[role].offset
  })
}

function movedText({ items, bytes, before, damaged, missed }: Migrated): string {
  const earlier =
    before > 0 ? [`${grouped(before)} ${before === 1 ? 'was' : 'were'} there already`] : []
  const lost = [
    ...(damaged > 0 ? [`${counted(damaged, 'damaged item')} lost`] : []),
    ...(missed > 0 ? [`${counted(missed, 'item')} lost that OLD overwrote`] : []),
  ]
  return [`moved ${counted(items, 'item')}, ${counted(bytes, 'byte')}`, ...earlier, ...lost].join(
    '; ',
  )
}

async function move(
  source: BlockDevice,
  target: BlockDevice,
  flags: Flags,
  total: number | undefined,
  signal: AbortSignal,
): Promise<Migrated> {
  using progress = showProgress('moving')
  const notice = flags.json === true ? undefined : new WaitNotice(target.name)
  let moved = 0
  const onProgress = (now: Migrated): void => {
    moved = now.items + now.before
    notice?.over()
    const part = total === undefined ? 0 : (now.items + now.before) / Math.max(1, total)
    progress.update(now.bytes, part > 0 ? now.bytes / part : Number.POSITIVE_INFINITY)
  }
  try {
    if ((await inspectRing(target, { signal })).consumer.suspend) notice?.waits('suspended')
    return await migrateRing(source, target, {
      ...{ keep: flags.keep === true, add: flags.add === true, onProgress, signal },
      onBlocked: () => notice?.waits('full or suspended'),
      onDamage: flags.skipDamage === true ? 'skip' : 'stop',
      ...limitOf(flags),
    })
  } catch (error) {
    throw explained(error, source.name, target.name, moved)
  }
}

/** What no second run can do better. */
const LASTING = ['RING_DAMAGED', 'RING_CORRUPT', 'RING_ITEM_TOO_LARGE']

function explained(error: unknown, from: string, to: string, moved: number): CommandError {
  const { code, details } = asCommandError(error)
  if (code === 'RING_NOT_BLANK') {
    const message =
      `${to} was pushed other items before; nothing was moved. To move all that is in ${from} behind them: ` +
      `sbr migrate ${from} ${to} --add. What an earlier run, cut short, has moved would be there twice`
    return new CommandError(EXIT.fault, code, message, details, error)
  }
  const again = LASTING.includes(code) ? '' : '; run it again to go on'
  return withNote(error, `Items moved so far: ${grouped(moved)}${again}`, { moved })
}
