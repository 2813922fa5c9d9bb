import type { FlagParametersForType } from '@stricli/core'
import { fenceByCommand } from '../../hosts/command.ts'
import { TIMEOUT_MS } from '../../ring/format2/disk/lease-block.ts'
import { checkLeaseOptions } from '../../ring/format2/lease/options.ts'
import type { LeaseOptions, LeaseRecord } from '../../ring/lease-types.ts'
import { usageError } from '../errors.ts'
import { tell } from '../output/person.ts'
import { checkCommand } from './find-command.ts'
import { parseDuration } from './size.ts'

/** The options by which a command leases its role. */
export interface LeaseFlags {
  readonly lease?: string
  /** Milliseconds. */
  readonly leaseTimeout?: number
  readonly fence?: string
  readonly unfenced?: boolean
  readonly reclaim?: boolean
}

export const leaseFlags: FlagParametersForType<LeaseFlags> = {
  lease: {
    kind: 'parsed',
    brief: 'Lease the role, so that no other host has it too: OWNER is the name of this host alone',
    placeholder: 'OWNER',
    optional: true,
    parse: String,
  },
  leaseTimeout: {
    kind: 'parsed',
    brief: 'How long this host may be silent before another takes over: 5s to 60m (default: 30s)',
    placeholder: 'TIME',
    optional: true,
    parse: parseDuration,
  },
  fence: {
    kind: 'parsed',
    brief:
      'Take over from a silent host: COMMAND -- OWNER, split at spaces, cuts it off first (or SBR_OWNER)',
    placeholder: 'COMMAND',
    optional: true,
    parse: String,
  },
  unfenced: {
    kind: 'boolean',
    brief: 'Take over from a silent host without cutting it off: see docs/hosts.md for the risk',
    optional: true,
    withNegated: false,
  },
  reclaim: {
    kind: 'boolean',
    brief: 'Take over from an earlier, ended run of the same OWNER without a fence',
    optional: true,
    withNegated: false,
  },
}

/**
 * The lease option for the library, if the flags ask for one. Waits are reported on standard error.
 * @throws {CommandError} the flags contradict each other, or the fence's command does not exist
 */
export function leaseOf(flags: LeaseFlags): { readonly lease?: LeaseOptions } {
  const { lease: owner, leaseTimeout: timeoutMs, fence, unfenced, reclaim } = flags
  if (owner === undefined) {
    if ([timeoutMs, fence, unfenced, reclaim].every((flag) => flag === undefined)) return {}
    throw usageError('--lease-timeout, --fence, --unfenced and --reclaim go with --lease OWNER')
  }
  const lease: LeaseOptions = {
    owner,
    onWatch: (holder, ms) => tellWatch(holder, ms, fence !== undefined),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(fence !== undefined && { fence: fenceOf(fence) }),
    ...(unfenced !== undefined && { unfenced }),
    ...(reclaim !== undefined && { reclaim }),
  }
  checkTimeout(timeoutMs)
  try {
    checkLeaseOptions(lease)
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message)
    throw error
  }
  return { lease }
}

/** As `checkLeaseOptions` does, in the words of the command line. */
function checkTimeout(timeoutMs: number | undefined): void {
  const { least, most } = TIMEOUT_MS
  if (timeoutMs === undefined || (timeoutMs >= least && timeoutMs <= most)) return
  const [from, to] = [least / 1000, most / 60_000]
  throw usageError(`--lease-timeout is from ${from}s to ${to}m, not ${timeoutMs / 1000}s`)
}

/** Checked early: a takeover would watch for long before it finds that the fence cannot be run. */
function fenceOf(text: string): NonNullable<LeaseOptions['fence']> {
  const argv = text.split(' ').filter(Boolean)
  const [command] = argv
  if (command === undefined) throw usageError('--fence: expected a command')
  checkCommand(command)
  const fence = fenceByCommand(argv)
  return async (holder) => {
    const name = JSON.stringify(holder.owner)
    tell(`${name} was silent; cutting it off: ${argv.join(' ')} -- ${name}`)
    await fence(holder)
    tell(`${name} is cut off; taking over its role`)
  }
}

function tellWatch({ owner, time }: LeaseRecord, ms: number, fences: boolean): void {
  const holder = JSON.stringify(owner)
  const seconds = Math.ceil(ms / 1000)
  const copies = fences
    ? '. If this is a copy of the device that it works on, stop this, and break the lease: see sbr lease'
    : ''
  const since = `last renewed at ${new Date(time).toISOString()} by its clock`
  tell(
    `${holder} holds the role, and ${since}; watching for ${seconds} s whether it is still there${copies}`,
  )
}
