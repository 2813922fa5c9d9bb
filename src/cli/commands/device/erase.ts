import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../../block/device.ts'
import { erase as eraseDevice } from '../../../block/ops/index.ts'
import { grouped, safeJson, safeText } from '../../../text/render.ts'
import { checkNothingIsLost, openTarget } from '../../device/target.ts'
import { usageError, withNote } from '../../errors.ts'
import { type CommonFlags, commonFlags, namedDevice } from '../../flags/flags.ts'
import { standardOutput } from '../../output/output.ts'
import { showProgress } from '../../output/progress.ts'
import { stopSignals } from '../../signals.ts'

interface Flags extends CommonFlags {
  readonly pattern?: string
  readonly force?: boolean
}

const fullDescription = `Overwrites all of a device, with zeroes or with a text that is repeated from its first byte on.

Without --force, all of the device is read first; if it has any content but zeroes, it is not changed. Even with
--force, a device is refused while a producer or consumer uses it, or a file system on it is mounted. This does not
make data irrecoverable on disks that keep old blocks, as flash does.

With --json: one object with "device" and "sizeBytes".

Exit codes: 0 erased, and on stable storage; 130 or 143 stopped by SIGINT or SIGTERM before that; 1 anything
else. Standard error says whether something was written.

EXAMPLES
  sbr device erase copy.img --force
  sbr device erase /dev/vg0/queue --pattern 'ERASED! ' --force`

export const erase: Command<CommandContext> = buildCommand({
  docs: { brief: 'Overwrite all of a device', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [namedDevice] },
    flags: {
      pattern: {
        kind: 'parsed',
        brief: 'Text to overwrite it with (default: zeroes)',
        placeholder: 'TEXT',
        optional: true,
        parse: parsePattern,
      },
      force: {
        kind: 'boolean',
        brief: "Overwrite the device's content",
        optional: true,
        withNegated: false,
      },
      ...commonFlags,
    },
  },
  func: run,
})

function parsePattern(text: string): string {
  if (text !== '') return text
  throw usageError('--pattern: expected a text of at least one character')
}

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  await using target = await openTarget(path, flags, 'sbr device erase')
  if (flags.force !== true) await checkNothingIsLost(target.device, stop.signal)
  await eraseWithProgress(target.device, flags.pattern, stop.signal)
  const { sectorSize, sizeSectors } = await target.device.getInfo()
  const sizeBytes = sectorSize * sizeSectors
  const line =
    flags.json === true
      ? safeJson({ device: path, sizeBytes })
      : `${safeText(path)}: erased ${grouped(sizeBytes)} bytes`
  await standardOutput(stop.signal).write(`${line}\n`)
}

async function eraseWithProgress(
  target: BlockDevice,
  pattern: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  using progress = showProgress('erasing')
  const bytes = pattern !== undefined && { pattern: new TextEncoder().encode(pattern) }
  try {
    await eraseDevice(target, { ...bytes, onProgress: progress.update, signal })
  } catch (error) {
    throw withNote(error, `${target.name} may be erased in part`, { partial: true })
  }
}
