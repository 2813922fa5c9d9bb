import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { Producer } from '../../ring/access/attach.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import type { RingInspection } from '../../ring/inspection.ts'
import type { CreateOptions } from '../../ring/types.ts'
import { grouped, safeJson, safeText } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
import {
  checkFits,
  eraseDevice,
  isTooSmall,
  type MakeFlags,
  modeFlag,
  openOrCreate,
} from '../device/create-target.ts'
import { describeHolding, holdingOf } from '../device/device-content.ts'
import { takeRoles } from '../device/take-roles.ts'
import { CommandError, EXIT, withNote } from '../errors.ts'
import { commonFlags, device } from '../flags/flags.ts'
import { checkRingFlags, type RingFlags, ringFlags, ringOptions } from '../flags/ring-flags.ts'
import { parseSize } from '../flags/size.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends MakeFlags, RingFlags {
  readonly erase?: boolean
  readonly force?: boolean
}

const fullDescription = `Makes a ring on a file or a raw device. A missing file is made first, of --size, and written in full; an empty
file is filled likewise. Any other file, and a raw device, keeps its size, and --size has to match it.
A new file is for this user only, unless --mode opens it: for two users of one group, use --mode 0660 under umask
007. An existing file keeps its permissions.
Choose the size for the longest outage of the consumer: commits a second x block size (4096) x seconds, for items
smaller than a block. Pushes at the same time share a commit, and so do lines that arrive together.
It waits up to ten seconds for another \`sbr create\` of the same device.

An existing ring is never changed, even with --force. It is an error if the ring differs from the flags, or cannot be
read. Content other than zeroes is refused without --force. --erase first overwrites the whole device with zeroes; that
destroys a ring too, which needs --force unless the ring is empty. New rings are of format 2; --format 1 is for
programs that only know that format. Even with --force, a device is refused while a producer or consumer uses it, or
a file system on it is mounted.

Exit codes: 0 there is a ring now; 2 the size is wrong, or an existing ring differs from the flags; 1 anything else.

EXAMPLES
  sbr create ring.img --size 64MiB
  sbr create /dev/vg0/queue --sector-size 4096
  sbr create ring.img --erase --force`

export const create: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Make a ring on a file or a raw device',
    fullDescription,
    customUsage: ['[FLAGS] DEVICE'],
  },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      size: {
        kind: 'parsed',
        brief: 'Bytes of the file to make: 65536, 64MiB, 1GiB, 1GB is 10^9 (default: 64MiB)',
        placeholder: 'SIZE',
        optional: true,
        parse: parseSize,
      },
      mode: modeFlag,
      erase: {
        kind: 'boolean',
        brief: 'Overwrite the whole device with zeroes first',
        optional: true,
        withNegated: false,
      },
      force: {
        kind: 'boolean',
        brief: 'Overwrite content that is not a ring; with --erase also a ring',
        optional: true,
        withNegated: false,
      },
      ...ringFlags,
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const options: CreateOptions = { ...ringOptions(flags), eraseOther: flags.force === true }
  await using ring = await openOrCreate(path, flags, options, stop.signal)
  const info = await ring.getInfo()
  const { sectorSize, sizeSectors } = info
  const { kind } = await holdingOf(ring, stop.signal)
  const stays = flags.erase !== true && (kind === 'ring' || kind === 'damaged-ring')
  if (!stays) await checkFits({ ...info, name: path }, options)
  await using _roles = await takeRoles(ring, 'sbr create')
  if (flags.erase === true) {
    if (flags.force !== true) await checkNothingIsLost(ring, options, stop.signal)
    await eraseDevice(ring, stop.signal)
  }
  const { created } = await Producer.create(ring, options)
  const state = created
    ? await inspectRing(ring, stop)
    : await asWanted(ring, flags, options, stop.signal)
  const { format, capacityBytes } = state
  const text = created
    ? `made a ring of format ${format}, of ${grouped(sizeSectors)} sectors of ${sectorSize} bytes${roomFor(state)}`
    : `already has a ring of format ${format}, which was not changed`
  const json = safeJson({ device: path, created, format, sectorSize, sizeSectors, capacityBytes })
  const line = flags.json === true ? json : `${safeText(path)}: ${text}`
  await standardOutput(stop.signal).write(`${line}\n`)
}

/** Small items fill a ring by their commits, and not by their bytes. */
function roomFor({ capacityBytes: capacity, ring }: RingInspection): string {
  if (ring === undefined) return ''
  const commits = grouped(Math.floor(capacity / ring.blockSize))
  return `, with room for ${commits} commits: each takes at least a block of ${grouped(ring.blockSize)} bytes`
}

/** Refuses to erase what creating a ring would refuse, and a ring that has items or is damaged. */
async function checkNothingIsLost(
  ring: BlockDevice,
  options: CreateOptions,
  signal: AbortSignal,
): Promise<void> {
  const holding = await holdingOf(ring, signal)
  if (holding.kind === 'blank' || (holding.kind === 'ring' && holding.usedBytes === 0)) return
  const found = describeHolding(holding)
  const message = `${ring.name} holds ${found}; nothing was written. To destroy that: ${await eraseBy(ring, options)}`
  const details = { device: ring.name, expected: 'zeroes, or an empty ring', found }
  throw new CommandError(EXIT.fault, 'RING_NOT_BLANK', message, details)
}

/**
 * An existing ring has to be usable.
 * @throws {CommandError} it cannot be read, or differs from the flags
 */
async function asWanted(
  ring: BlockDevice,
  flags: Flags,
  options: CreateOptions,
  signal: AbortSignal,
): Promise<RingInspection> {
  try {
    const state = await inspectRing(ring, { signal })
    checkRingFlags(flags, state, ring.name)
    return state
  } catch (error) {
    // Nothing is wrong with a ring that was opened with the wrong size.
    if (!isRingError(error) || error.code === 'RING_SECTOR_SIZE') throw error
    const note = `The ring was not changed; to destroy it: ${await eraseBy(ring, options)}`
    throw withNote(error, note, {})
  }
}

/** The command that makes a new ring there. A damaged one of format 1 may be too small for another format. */
async function eraseBy(ring: BlockDevice, options: CreateOptions): Promise<string> {
  const { sectorSize, sizeSectors } = await ring.getInfo()
  const size = { name: ring.name, sectorSize, sizeSectors }
  const isFormat1 = options.format === 1 || (await isTooSmall(size, options))
  const format = isFormat1 ? ' --format 1' : ''
  return `sbr create ${shellWord(ring.name)}${format} --erase --force`
}
