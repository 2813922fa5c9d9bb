import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { repairRing } from '../../ring/maintenance/repair.ts'
import type { RepairOptions, RepairReport } from '../../ring/report/repair.ts'
import { safeJson } from '../../text/render.ts'
import { openDevice } from '../device/device.ts'
import { holdTarget } from '../device/target.ts'
import { CommandError, EXIT } from '../errors.ts'
import { type CommonFlags, commonFlags, device } from '../flags/flags.ts'
import { standardOutput } from '../output/output.ts'
import { showProgress } from '../output/progress.ts'
import { repairText } from '../output/report-findings.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags {
  readonly write?: boolean
  readonly rebuild?: boolean
  readonly zeroUnreadable?: boolean
  readonly format?: '2'
}

const fullDescription = `Reports damaged metadata that can be restored: the guard at the ring's start, copies of the superblock, and slots
whose other copy is sound. --write restores it. An interrupted repair is completed by running it again. It is refused
while a producer or consumer runs on this machine.

It overwrites nothing that is still of use. Damaged items and leases are reported and left alone: sbr consume
--skip-damage skips such items, sbr lease break frees a role whose lease cannot be read.

If both slots of a role are damaged, --rebuild reconstructs them from the data area: the producer's from the newest
chain of batches, the consumer's from the oldest batch present, so that acknowledged items are delivered again. Format
1 has no second copy of anything, so damage is only reported.

If sectors cannot be read, --zero-unreadable reads the whole ring, and writes zeroes to those that have no copy: a
disk makes a sector readable again when it is written. Each action says what that costs. Unacknowledged items there
are lost, and become damage that sbr consume --skip-damage skips.

With --json: one object with "device", "format", "written", "actions" ("offset" in bytes, "structure", "action",
"cost"), "left", the remaining findings in the form of sbr verify, and "moreLeft", the number of further ones.

Exit codes: 0 nothing was damaged, or everything is (without --write: would be) repaired; 130 or 143 stopped by SIGINT
or SIGTERM; 1 damage remains, such as a lease, or lost items that were not skipped yet; or anything else.

EXAMPLES
  sbr repair ring.img
  sbr repair ring.img --write
  sbr repair ring.img --write --rebuild
  sbr repair /dev/vg0/queue --zero-unreadable`

export const repair: Command<CommandContext> = buildCommand({
  docs: { brief: "Restore a ring's damaged metadata", fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      write: {
        kind: 'boolean',
        brief: 'Write; without it, only report what would be written',
        optional: true,
        withNegated: false,
      },
      rebuild: {
        kind: 'boolean',
        brief: "Reconstruct a role's slots if both are damaged: items may be delivered again",
        optional: true,
        withNegated: false,
      },
      zeroUnreadable: {
        kind: 'boolean',
        brief: 'Write zeroes to unreadable sectors that have no copy',
        optional: true,
        withNegated: false,
      },
      format: {
        kind: 'enum',
        values: ['2'],
        brief: 'The ring is of format 2, though its guard is lost: only you can know that',
        optional: true,
      },
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const write = flags.write === true
  const opened = await openDevice(path, write ? 'read-write' : 'read-only', flags, {
    exclusive: write,
  })
  // Even with an unreadable lease: it could not be repaired otherwise.
  await using _held = await holdTarget(new SalvageBlockDevice(opened), 'sbr repair')
  const { rebuild = false, zeroUnreadable = false } = flags
  const format = flags.format === undefined ? {} : ({ format: 2 } as const)
  const options = { write, rebuild, zeroUnreadable, ...format, signal: stop.signal }
  const report = await repairWithProgress(opened, options)
  const text =
    flags.json === true ? `${safeJson({ device: path, ...report })}\n` : repairText(path, report)
  await standardOutput(stop.signal).write(text)
  if (report.left.length === 0) return
  const details = { device: path, left: report.left.length + report.moreLeft }
  throw new CommandError(EXIT.fault, 'CLI_DAMAGED', `${path} stays damaged`, details)
}

async function repairWithProgress(
  ring: BlockDevice,
  options: RepairOptions,
): Promise<RepairReport> {
  using progress = showProgress('scanning')
  return await repairRing(ring, { ...options, onProgress: progress.update })
}
