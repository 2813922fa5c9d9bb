import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { Producer } from '../../ring/access/attach.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import type { RingInspection } from '../../ring/inspection.ts'
import { type Migrated, migrateRing } from '../../ring/maintenance/migrate.ts'
import { counted, grouped, safeJson, safeText } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
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
import { checkApart, checkNotSame } from '../device/same-storage.ts'
import { takeRoles } from '../device/take-roles.ts'
import { asCommandError, CommandError, EXIT, withNote } from '../errors.ts'
import {
  commonFlags,
  type ItemFlags,
  limitOf,
  maxItem,
  namedDevice,
  sectorSize,
} from '../flags/flags.ts'
import { checkRingFlags, type RingFlags, ringFlags, ringOptions } from '../flags/ring-flags.ts'
import { parseSize } from '../flags/size.ts'
import { standardOutput } from '../output/output.ts'
import { tell } from '../output/person.ts'
import { showProgress } from '../output/progress.ts'
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

const fullDescription = `Moves all items of the ring OLD to the ring NEW, of another format, size or device. If there is no ring NEW, it is made
as \`sbr create\` does, with OLD's permissions. Takes the consumer's role of OLD and the producer's of NEW.

Items of OLD are acknowledged only once all items are on stable storage in NEW. After it was stopped or killed, run it
again: it continues, loses nothing, and moves no item twice.

First end the producer of OLD, or suspend it (\`sbr suspend\`): OLD is refused while its producer runs, because items
pushed after the last one was moved would stay there. --live moves the present items anyway, and says if some may be
left; with --live --add, a later run moves those too. A producer on another host is visible only if it leases its role.

A NEW that this made is removed again if it fails before the first item was moved. --sector-size is for OLD and
--new-sector-size for NEW: both matter for format 1 and for raw devices.

Let no other program push to NEW before OLD is empty: that hides how far a run came. Such a NEW is refused; with --add
all items of OLD are moved, including those that an earlier run has moved already.

Items keep the time of their push, to the second, as \`sbr diagnostics NEW\` shows it: those of one second may
share a commit, and the time of the first. Format 1 records no times, so its items get the time of the migration.

Waits while NEW is full or suspended, and after a moment says so on standard error. Without --skip-damage,
damage in OLD ends it.

With --json: one object with "from", "to", "items", "bytes", "movedBefore" (items that an earlier run had moved), and
the items that are not in NEW: "damagedItems", which --skip-damage skipped, and "missedItems", which OLD's producer
overwrote meanwhile; and "live", whether a producer ran on OLD at the end.

Exit codes: 0 all items are in NEW, except for those reported as lost; 130 or 143 stopped by SIGINT or SIGTERM before
that; 2 an existing NEW differs from the flags; 1 anything else.

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
        { ...namedDevice, placeholder: 'OLD' },
        {
          ...namedDevice,
          brief: 'The new ring, which is made if it is missing',
          placeholder: 'NEW',
        },
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
        brief: 'Move even while a producer runs on OLD: its last items may stay there',
        optional: true,
        withNegated: false,
      },
      add: {
        kind: 'boolean',
        brief:
          'Move to a NEW with other items: also items that an interrupted run has moved already',
        optional: true,
        withNegated: false,
      },
      skipDamage: {
        kind: 'boolean',
        brief: 'Skip damaged items of OLD, and report how many',
        optional: true,
        withNegated: false,
      },
      size: {
        kind: 'parsed',
        brief: 'Bytes of NEW, if it is a new file (default: 64MiB)',
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

/** @throws {CommandError} a producer may push to the ring */
async function checkNoProducer(ring: OpenedDevice, signal: AbortSignal): Promise<void> {
  const producer = await producerAtWork(ring, signal)
  if (producer === undefined) return
  const note =
    `Nothing was moved, because items that it pushes at the end would stay in ${ring.name}: end it, or suspend it ` +
    `(sbr suspend ${shellWord(ring.name)}), or move the present items with --live`
  throw withNote(producer, note, {})
}

function tellLeft(producer: CommandError, from: string, { keep }: Flags): void {
  const again = `run it again with --live${keep === true ? '' : ' --add'}`
  tell(
    `${producer.message}. Items that it pushed at the end may stay in ${from}; to move them too, ${again}`,
  )
}

/** The flags for NEW, which has its own sector size. */
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

/** Makes errors about NEW's sectors name its own flag. */
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

/** Creates the ring NEW, or checks the existing one. */
async function makeRing(
  source: OpenedDevice,
  target: OpenedDevice,
  flags: Flags,
  signal: AbortSignal,
): Promise<void> {
  if ((await ofNew(Producer.create(target, ringOptions(flags)))).created) return
  checkRingFlags(flags, await ofNew(inspectRing(target, { signal })), target.name)
  await checkNotItself(source, target, signal)
}

/** Moving a ring to itself would never end. */
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

/** True if three consecutive inspections can be of one ring that is in use. */
function isBetween(before: RingInspection, found: RingInspection, after: RingInspection): boolean {
  if (found.format !== before.format || found.ring?.uuid !== before.ring?.uuid) return false
  return (['producer', 'consumer'] as const).every((role) => {
    const offset = found[role].position
    return before[role].position <= offset && offset <= after[role].position
  })
}

function movedText({ items, bytes, movedBefore, damagedItems, missedItems }: Migrated): string {
  const earlier =
    movedBefore > 0
      ? [`${grouped(movedBefore)} ${movedBefore === 1 ? 'was' : 'were'} there already`]
      : []
  const lost = [
    ...(damagedItems > 0 ? [`${counted(damagedItems, 'damaged item')} lost`] : []),
    ...(missedItems > 0 ? [`${counted(missedItems, 'item')} lost that OLD overwrote`] : []),
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
    moved = now.items + now.movedBefore
    notice?.over()
    const part = total === undefined ? 0 : (now.items + now.movedBefore) / Math.max(1, total)
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

/** Errors that another run would not fix. */
const LASTING = ['RING_DAMAGED', 'RING_CORRUPT', 'RING_ITEM_TOO_LARGE']

function explained(error: unknown, from: string, to: string, moved: number): CommandError {
  const { code, details } = asCommandError(error)
  if (code === 'RING_NOT_BLANK') {
    const message =
      `${to} has other items; nothing was moved. To move all items of ${from} after them: ` +
      `sbr migrate ${shellWord(from)} ${shellWord(to)} --add. What an earlier run, cut short, has moved would be there twice`
    return new CommandError(EXIT.fault, code, message, details, error)
  }
  const again = LASTING.includes(code) ? '' : '; run it again to continue'
  return withNote(error, `Items moved so far: ${grouped(moved)}${again}`, { moved })
}
