import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { breakLease } from '../../../ring/access/lease.ts'
import type { LeaseState } from '../../../ring/lease-types.ts'
import type { Role } from '../../../ring/roles.ts'
import { describeLease } from '../../../text/lease.ts'
import { safeJson } from '../../../text/render.ts'
import { openDevice } from '../../device/device.ts'
import { withLeases } from '../../device/leases.ts'
import { openPoolOf } from '../../device/pool.ts'
import { type CommonFlags, commonFlags, device } from '../../flags/flags.ts'
import { standardOutput } from '../../output/output.ts'
import { stopSignals } from '../../signals.ts'

interface Flags extends CommonFlags {
  readonly role: Role | 'directory'
}

const fullDescription = `Frees a role that any host holds by a lease: the next host gets it immediately, without a wait and without a fence.
For a host that is gone for good, and that no fence command can reach.

First make sure that the host is switched off, or that the storage refuses it. If it is alive, it keeps writing until
it notices, and two hosts with one role damage the ring. It is refused while the role is held on this machine: end
that process instead. The lease of a pool is that of its directory, which a host holds while it changes the pool.

With --json: one object with "device", "role" and "before", in the form of sbr lease show.

EXAMPLES
  sbr lease break /dev/vg0/queue --role producer`

export const breakRole: Command<CommandContext> = buildCommand({
  docs: { brief: 'Free a role whose host is gone for good', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      role: {
        kind: 'enum',
        values: ['producer', 'consumer', 'directory'],
        brief: 'The role to free; of a pool: directory',
      },
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const { role } = flags
  const before =
    role === 'directory'
      ? await breakDirectory(flags, path, stop.signal)
      : await breakRoleOf(flags, path, role)
  const done = before.status === 'held' || before.status === 'damaged'
  const text =
    flags.json === true
      ? safeJson({ device: path, role, before })
      : `${done ? 'broken' : 'nothing to break'}: the ${role}'s role was ${describeLease(before)}`
  await standardOutput(stop.signal).write(`${text}\n`)
}

async function breakRoleOf(flags: Flags, path: string, role: Role): Promise<LeaseState> {
  await using ring = await openDevice(path, 'read-write', flags)
  return await withLeases(() => breakLease(ring, role))
}

async function breakDirectory(
  flags: Flags,
  path: string,
  signal: AbortSignal,
): Promise<LeaseState> {
  await using opened = await openPoolOf(path, 'read-write', flags, signal)
  return await opened.pool.breakLease()
}
