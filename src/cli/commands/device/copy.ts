import { unlink } from 'node:fs/promises'
import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../../block/device.ts'
import { compare, copy as copyDevice, sparseCopy } from '../../../block/ops/index.ts'
import { ROLES, type Role } from '../../../ring/roles.ts'
import { grouped, safeJson, safeText } from '../../../text/render.ts'
import { shellWord } from '../../../util/shell-word.ts'
import {
  createFile,
  isThere,
  type ModeFlags,
  modeFlag,
  type SparseFlag,
  withModeOf,
} from '../../device/create-target.ts'
import { openDevice } from '../../device/device.ts'
import { leasesOf } from '../../device/leases.ts'
import { checkApart, checkNotSame } from '../../device/same-storage.ts'
import { holdersOf } from '../../device/take-roles.ts'
import { checkNothingIsLost, holdTarget, openTarget, type Target } from '../../device/target.ts'
import { checkWhole } from '../../device/whole-sectors.ts'
import { CommandError, EXIT, withNote } from '../../errors.ts'
import { type CommonFlags, commonFlags, namedDevice } from '../../flags/flags.ts'
import { standardOutput } from '../../output/output.ts'
import { tell } from '../../output/person.ts'
import { showProgress } from '../../output/progress.ts'
import { stopSignals } from '../../signals.ts'

const HOLDER = 'sbr device copy'

interface Flags extends CommonFlags, ModeFlags, SparseFlag {
  readonly verify?: boolean
  readonly force?: boolean
}

const fullDescription = `Copies all of FROM to TO, which must be of the same size; a missing file TO is made, with FROM's permissions.
FROM is opened read-only. If it is written meanwhile, for instance as a ring in use, the copy is useless: stop the
programs first. If a producer or consumer uses it on this machine, standard error says so.

Without --force, all of TO is read first; if it has any content but zeroes, even a ring without items, it is not
changed. Even with --force, a TO is refused while a producer or consumer uses it, or a file system on it is
mounted; and so is one that is FROM under another name: to detect that, --force briefly writes its last sector.
A new TO reserves all of its space, or with --sparse only that of FROM's data: a ring in it may run into a full disk
later. The start of TO is cleared first and written last, so that an interrupted copy does not look complete.

A copy of a ring has the ring's UUID and its leases: standard error lists held ones.

With --json: one object with "from", "to", "sizeBytes", "created", "verified", "atWork", the roles in use on FROM,
and "leaseHolders".

Exit codes: 0 copied, and on stable storage; 130 or 143 stopped by SIGINT or SIGTERM before that; 1 anything
else. Standard error says whether something was written; a file that was made is removed again.

EXAMPLES
  sbr device copy ring.img copy.img --sparse
  sbr device copy /dev/vg0/queue /dev/vg1/queue --force --verify`

export const copy: Command<CommandContext> = buildCommand({
  docs: { brief: 'Copy all of a device to another', fullDescription },
  parameters: {
    positional: {
      kind: 'tuple',
      parameters: [
        { ...namedDevice, placeholder: 'FROM' },
        { ...namedDevice, brief: 'The target, which is overwritten', placeholder: 'TO' },
      ],
    },
    flags: {
      sparse: {
        kind: 'boolean',
        brief: "Do not read FROM's holes, and make holes in TO where it can have them",
        optional: true,
        withNegated: false,
      },
      verify: {
        kind: 'boolean',
        brief: 'Compare both afterwards',
        optional: true,
        withNegated: false,
      },
      force: {
        kind: 'boolean',
        brief: "Overwrite TO's content",
        optional: true,
        withNegated: false,
      },
      mode: modeFlag,
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, from: string, to: string): Promise<void> {
  using stop = stopSignals()
  const { signal } = stop
  await using source = await openDevice(from, 'read-only', flags)
  await checkWhole(source)
  const sizeBytes = await sizeOf(source)
  const created = !(await isThere(to))
  if (!created) await checkNotSame(from, to)
  await using target = created
    ? await makeTarget(to, sizeBytes, await withModeOf(from, flags), signal)
    : await openTarget(to, flags, HOLDER)
  if (!created) {
    await checkTarget(target.device, sizeBytes, source, flags, signal)
    // Without --force the target is all zeroes: there is nothing that could be lost.
    if (flags.force === true) await checkApart(source, target.device)
  }
  const atWork = await rolesAtWork(source)
  if (flags.json !== true && atWork.length > 0) warnOfWork(from, atWork)
  try {
    await transfer(source, target.device, flags, created, signal)
  } catch (error) {
    if (created) await unlink(to)
    const note = created ? `${to} was removed again` : `${to} may hold a part of the copy`
    throw withNote(error, note, { partial: !created })
  }
  const held = await heldLeases(target.device)
  if (flags.json !== true && held.length > 0) warnOfLeases(to, held)
  const leaseHolders = held.map(({ owner }) => owner)
  const verified = flags.verify === true
  const line =
    flags.json === true
      ? safeJson({ from, to, sizeBytes, created, verified, atWork, leaseHolders })
      : `${safeText(to)}: copied ${grouped(sizeBytes)} bytes${verified ? ', and compared them' : ''}`
  await standardOutput(signal).write(`${line}\n`)
}

/** The roles in use on the source. */
async function rolesAtWork(source: BlockDevice): Promise<readonly string[]> {
  const { producer, consumer } = await holdersOf(source)
  return [...(producer ? ['producer'] : []), ...(consumer ? ['consumer'] : [])]
}

function warnOfWork(from: string, atWork: readonly string[]): void {
  tell(
    `a ${atWork.join(' and a ')} ${atWork.length === 1 ? 'is' : 'are'} running on ${from}: the copy is useless ` +
      'if it writes meanwhile; end it, and copy again',
  )
}

/** A lease that came along with the copy of a ring. */
interface HeldLease {
  readonly role: Role
  readonly owner: string
}

/** The held leases of the copied ring, if it is one. */
async function heldLeases(copy: BlockDevice): Promise<readonly HeldLease[]> {
  const leases = await leasesOf(copy)
  return ROLES.flatMap((role) => {
    const lease = leases?.[role]
    return lease?.status === 'held' ? [{ role, owner: lease.owner }] : []
  })
}

function warnOfLeases(to: string, held: readonly HeldLease[]): void {
  const names = held.map(({ owner }) => JSON.stringify(owner)).join(' and ')
  const commands = held
    .map(({ role }) => `sbr lease break ${shellWord(to)} --role ${role}`)
    .join('; ')
  tell(
    `${to} has the leases of ${names} too; no host renews them there. Before a host takes such a role of the copy: ` +
      `${commands}; without cutting off a host that may be using the original`,
  )
}

async function sizeOf(of: BlockDevice): Promise<number> {
  const { sectorSize, sizeSectors } = await of.getInfo()
  return sectorSize * sizeSectors
}

async function makeTarget(
  path: string,
  sizeBytes: number,
  flags: Flags,
  signal: AbortSignal,
): Promise<Target> {
  if (sizeBytes === 0) {
    const details = { device: path, expected: 'a device with sectors', found: 'none' }
    throw new CommandError(
      EXIT.fault,
      'CLI_SIZE',
      'there is nothing to copy: FROM is empty',
      details,
    )
  }
  return holdTarget(await createFile(path, sizeBytes, flags, signal), HOLDER)
}

async function checkTarget(
  target: BlockDevice,
  sizeBytes: number,
  source: BlockDevice,
  { force }: Flags,
  signal: AbortSignal,
): Promise<void> {
  const found = await sizeOf(target)
  if (found !== sizeBytes) {
    const message =
      `${target.name} has ${grouped(found)} bytes, but ${source.name} has ${grouped(sizeBytes)}; nothing was ` +
      'written. A copy needs a target of the same size'
    const details = { device: target.name, expected: `${sizeBytes} bytes`, found: `${found} bytes` }
    throw new CommandError(EXIT.fault, 'CLI_SIZE', message, details)
  }
  if (force !== true) await checkNothingIsLost(target, signal)
}

async function transfer(
  source: BlockDevice,
  target: BlockDevice,
  { sparse, verify }: Flags,
  targetIsZero: boolean,
  signal: AbortSignal,
): Promise<void> {
  {
    using progress = showProgress('copying')
    const options = { onProgress: progress.update, signal }
    if (sparse === true) await sparseCopy(source, target, { ...options, targetIsZero })
    else await copyDevice(source, target, options)
  }
  if (verify === true) await checkCopy(source, target, signal)
}

async function checkCopy(
  source: BlockDevice,
  target: BlockDevice,
  signal: AbortSignal,
): Promise<void> {
  using progress = showProgress('comparing')
  const found = await compare(source, target, { onProgress: progress.update, signal })
  if (found.status === 'equal') return
  const message = `${target.name} was written, but differs from ${source.name} now; was that changed meanwhile?`
  throw new CommandError(EXIT.fault, 'CLI_VERIFY', message, { device: target.name, ...found })
}
