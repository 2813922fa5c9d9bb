import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { inspectRing, Producer } from '../../ring/attach.ts'
import type { CreateOptions, RingInspection } from '../../ring/types.ts'
import {
  checkFits,
  eraseDevice,
  isTooSmall,
  type MakeFlags,
  modeFlag,
  openOrCreate,
} from '../device/create-target.ts'
import { describeHolding, holdingOf } from '../device/device-content.ts'
import { takeRoles } from '../device/roles.ts'
import { CommandError, EXIT, withNote } from '../errors.ts'
import { commonFlags, device } from '../flags/flags.ts'
import { checkRingFlags, type RingFlags, ringFlags, ringOptions } from '../flags/ring-flags.ts'
import { parseSize } from '../flags/size.ts'
import { standardOutput } from '../output/output.ts'
import { grouped, safeJson, safeText } from '../output/render.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends MakeFlags, RingFlags {
  readonly erase?: boolean
  readonly force?: boolean
}

const fullDescription = `Makes a ring on a file or a raw device. A file that is not there is made first, of --size and written in full, and
an empty one is filled likewise; any other, and a raw device, is used as it is, and --size has to be its size.
Nobody but this user may use a new file, unless there is --mode: for two users of one group, --mode 0660 under umask
007. A file that is there keeps its permissions.
Choose a size for the longest time that nothing is consumed: commits a second x block size (4096) x seconds, for items
smaller than a block; pushes at the same time, and lines that come at once, share a commit.
Another \`sbr create\` at work on it is waited for, up to ten seconds.

A ring that is there stays as it is, also with --force; one that cannot be read is refused, and so is one that is not
what the flags say. Anything else but
zeroes is refused, unless --force. With --erase the whole device is overwritten with zeroes first: also a ring,
which needs --force unless it is empty. New rings are of format 2; --format 1 is for programs that know only
that. A device is refused, even with --force, while a producer or consumer is at work on it, or a file system
mounted.

Exit codes: 0 there is a ring now; 2 the size is wrong, or the ring that is there is another one; 1 anything else.

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
        brief: 'Lose what the device holds, if it is no ring; with --erase also if it is one',
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
  const options: CreateOptions = { ...ringOptions(flags), overwrite: flags.force === true }
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
  const created = await Producer.create(ring, options)
  const state = created
    ? await inspectRing(ring, stop)
    : await asWanted(ring, flags, options, stop.signal)
  const { format, capacity } = state
  const text = created
    ? `made a ring of format ${format}, of ${grouped(sizeSectors)} sectors of ${sectorSize} bytes${roomFor(state)}`
    : `holds a ring of format ${format} already, which was left as it is`
  const json = safeJson({ device: path, created, format, sectorSize, sizeSectors, capacity })
  const line = flags.json === true ? json : `${safeText(path)}: ${text}`
  await standardOutput(stop.signal).write(`${line}\n`)
}

/** Small items fill a ring by their commits, and not by their bytes. */
function roomFor({ capacity, ring }: RingInspection): string {
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
  if (holding.kind === 'blank' || (holding.kind === 'ring' && holding.used === 0)) return
  const found = describeHolding(holding)
  const message = `${ring.name} holds ${found}; nothing was written. To lose that: ${await eraseBy(ring, options)}`
  const details = { device: ring.name, expected: 'zeroes, or an empty ring', found }
  throw new CommandError(EXIT.fault, 'RING_NOT_BLANK', message, details)
}

/**
 * A ring that is left as it is has to be of use.
 * @throws {CommandError} it cannot be read, or is not as the flags say
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
    const note = `The ring was left as it is; to lose it: ${await eraseBy(ring, options)}`
    throw withNote(error, note, {})
  }
}

/** What makes a new ring there: a damaged one of format 1 may be too small for another format. */
async function eraseBy(ring: BlockDevice, options: CreateOptions): Promise<string> {
  const { sectorSize, sizeSectors } = await ring.getInfo()
  const size = { name: ring.name, sectorSize, sizeSectors }
  const isFormat1 = options.format === 1 || (await isTooSmall(size, options))
  const format = isFormat1 ? ' --format 1' : ''
  return `sbr create ${ring.name}${format} --erase --force`
}
