import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { repairRing } from '../../ring/maintenance/index.ts'
import type { RepairOptions, RepairReport } from '../../ring/report/repair.ts'
import { openDevice } from '../device/device.ts'
import { holdTarget } from '../device/target.ts'
import { CommandError, EXIT } from '../errors.ts'
import { type CommonFlags, commonFlags, device } from '../flags/flags.ts'
import { standardOutput } from '../output/output.ts'
import { showProgress } from '../output/progress.ts'
import { safeJson } from '../output/render.ts'
import { repairText } from '../output/report-findings.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags {
  readonly write?: boolean
  readonly rebuild?: boolean
  readonly zeroUnreadable?: boolean
  readonly format?: '2'
}

const fullDescription = `Tells what is damaged in a ring's own records and can be written again: the guard at its start, copies of the
superblock, and slots of which the other one is sound. With --write it is written. Running it again ends a repair
that was cut short. It is refused while a producer or consumer is at work on this machine.

Nothing that may be wanted is overwritten. Damaged items and leases stay as they are, and are told of: sbr consume
--skip-damage steps over items, sbr lease break frees a role whose lease cannot be read.

Where both slots of a role are damaged, --rebuild makes them from what is in the data area. The producer's: the
newest chain of batches. The consumer's: the oldest batch that is there, so that items are delivered again that were
given back. Format 1 has no second copy of anything, so only what is wrong is told.

Where sectors cannot be read, --zero-unreadable reads all of the ring, and writes zeroes to those of which there is no
copy: a disk makes a sector readable again when it is written. Each action tells what that costs. Items that wait
there are lost, and become damage that sbr consume --skip-damage steps over.

With --json: one object with "device", "format", "written", "actions" ("offset" in bytes, "structure", "action",
"cost"), "left", the findings that stay, as sbr verify has them, and "moreLeft", how many more do.

Exit codes: 0 nothing was damaged, or it is (without --write: would be) repaired; 130 or 143 stopped by SIGINT or
SIGTERM; 1 something stays damaged, also a lease, or items that are gone and were not stepped over yet, or anything
else.

EXAMPLES
  sbr repair ring.img
  sbr repair ring.img --write
  sbr repair ring.img --write --rebuild
  sbr repair /dev/vg0/queue --zero-unreadable`

export const repair: Command<CommandContext> = buildCommand({
  docs: { brief: "Write again what is damaged of a ring's own records", fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      write: {
        kind: 'boolean',
        brief: 'Write; without it, only what would be written is told',
        optional: true,
        withNegated: false,
      },
      rebuild: {
        kind: 'boolean',
        brief: "Make a role's slots anew if both are damaged: items may be delivered again",
        optional: true,
        withNegated: false,
      },
      zeroUnreadable: {
        kind: 'boolean',
        brief:
          'Give up sectors that cannot be read and of which there is no copy: zeroes are written there',
        optional: true,
        withNegated: false,
      },
      format: {
        kind: 'enum',
        values: ['2'],
        brief: 'The ring is of format 2, though its guard is gone: only you can know that',
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
  // Also where a lease cannot be read: nobody could repair it otherwise.
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
