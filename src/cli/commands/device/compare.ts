import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../../block/device.ts'
import { type Comparison, compare as compareDevices } from '../../../block/ops/index.ts'
import { grouped, safeJson, safeText } from '../../../text/render.ts'
import { openDevice } from '../../device/device.ts'
import { isSameStorage } from '../../device/same-storage.ts'
import { checkWhole } from '../../device/whole-sectors.ts'
import { CommandError, EXIT } from '../../errors.ts'
import { type CommonFlags, commonFlags, namedDevice } from '../../flags/flags.ts'
import { standardOutput } from '../../output/output.ts'
import { tell } from '../../output/person.ts'
import { showProgress } from '../../output/progress.ts'
import { stopSignals } from '../../signals.ts'

const fullDescription = `Compares two devices byte by byte, up to the first difference. Opens both read-only; their sector sizes may differ.
If a device is written meanwhile, the result is meaningless. Standard error says if both are names of one file or
disk, or of parts of it that overlap.

With --json: one object with "devices" and "status": "equal"; "different", with the "offset" in bytes of the
first difference; or "different-size", with both sizes as "sizeBytes", without comparing the content; and
"sameStorage": true if both are names of one storage.

Exit codes: 0 equal; 3 different; 130 or 143 stopped by SIGINT or SIGTERM; 1 anything else.

EXAMPLES
  sbr device compare ring.img copy.img
  sbr device compare /dev/vg0/queue copy.img --json`

export const compare: Command<CommandContext> = buildCommand({
  docs: { brief: 'Compare two devices byte by byte', fullDescription },
  parameters: {
    positional: {
      kind: 'tuple',
      parameters: [namedDevice, { ...namedDevice, brief: 'The other one', placeholder: 'OTHER' }],
    },
    flags: commonFlags,
  },
  func: run,
})

async function run(flags: CommonFlags, first: string, second: string): Promise<void> {
  using stop = stopSignals()
  await using a = await openDevice(first, 'read-only', flags)
  await using b = await openDevice(second, 'read-only', flags)
  await checkWhole(a)
  await checkWhole(b)
  const sameStorage = await isSameStorage(first, second)
  if (sameStorage && flags.json !== true) warnOfSame(first, second)
  const found = await compareWithProgress(a, b, stop.signal)
  const output = standardOutput(stop.signal)
  if (flags.json === true)
    await output.write(
      `${safeJson({ devices: [first, second], ...found, ...(sameStorage && { sameStorage }) })}\n`,
    )
  if (found.status !== 'equal') throw difference(first, second, found)
  if (flags.json !== true)
    await output.write(`${safeText(first)} and ${safeText(second)} are equal\n`)
}

/** Warns that a device is compared with itself: there is no copy. */
function warnOfSame(first: string, second: string): void {
  tell(`${first} and ${second} are one storage, or overlap`)
}

async function compareWithProgress(
  a: BlockDevice,
  b: BlockDevice,
  signal: AbortSignal,
): Promise<Comparison> {
  using progress = showProgress('comparing')
  return await compareDevices(a, b, { onProgress: progress.update, signal })
}

function difference(
  first: string,
  second: string,
  { status, ...where }: Exclude<Comparison, { status: 'equal' }>,
): CommandError {
  const how =
    'offset' in where
      ? `differ, first at byte ${grouped(where.offset)} (counted from 0)`
      : `differ in size: ${where.sizeBytes.map(grouped).join(' and ')} bytes`
  const details = { devices: [first, second], status, ...where }
  return new CommandError(EXIT.different, 'CLI_DIFFERENT', `${first} and ${second} ${how}`, details)
}
