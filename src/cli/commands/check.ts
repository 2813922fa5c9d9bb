import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { counted, safeJson } from '../../text/render.ts'
import { type Limits, problemsOf } from '../device/check-ring.ts'
import { checkDistinct, surveyAll } from '../device/survey.ts'
import { CommandError, EXIT } from '../errors.ts'
import { type CommonFlags, devices, devicesOf, surveyFlags } from '../flags/flags.ts'
import { limitFlags } from '../flags/limit-flags.ts'
import { checkJson, checkLine } from '../output/check-text.ts'
import { standardOutput } from '../output/output.ts'
import { styleFor } from '../output/style.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags, Limits {}

const fullDescription = `Prints a line for each device: ok with the main numbers, or all that is wrong with it. For probes of containers and
for timers. Opens each device read-only, takes no role and changes nothing; works while producers and consumers run.
It reads no more than the state: sbr verify checks every item.

Wrong is: a device that cannot be inspected within --request-timeout, or only in part; a damaged lease; and what
exceeds a limit that is given. What has a limit and is unknown is wrong, too: format 1 records no times and leases.

--max-age is about the oldest unacknowledged item, by the clock of its producer. --max-lease-age is about each role
that was ever leased: its lease has to be renewed, or freed, since. --at-work is about processes on this machine.

With --json: one object a device and line, with "device", "ok", "problems", each with "what" ("device", "unreadable",
"age", "fill", "lease", "leaseAge" or "atWork"), "message" and perhaps "role" or "code", and, if it could be inspected,
"format", "fill" (from 0 to 1), "suspended", "atWork" (the roles held on this machine) and, where known,
"waitingItems" and "oldestAgeMs".

Exit codes: 0 all are fine; 1 one is not, or anything else; 130 or 143 stopped by SIGINT or SIGTERM.

EXAMPLES
  sbr check /dev/vg0/queue --max-age 5m --max-fill 80%
  sbr check jobs.img --at-work consumer --request-timeout 5s`

export const check: Command<CommandContext> = buildCommand({
  docs: { brief: 'Check rings against limits, for probes and timers', fullDescription },
  parameters: {
    positional: devices,
    flags: { ...limitFlags, ...surveyFlags },
  },
  func: run,
})

async function run(flags: Flags, ...given: string[]): Promise<void> {
  const paths = devicesOf(given)
  checkDistinct(paths)
  using stop = stopSignals()
  const surveys = await surveyAll(paths, flags, stop.signal)
  const checked = surveys.map((survey) => ({ survey, problems: problemsOf(survey, flags) }))
  const output = standardOutput(stop.signal)
  const style = styleFor(output)
  const lines = checked.map(({ survey, problems }) =>
    flags.json === true
      ? `${safeJson(checkJson(survey, problems))}\n`
      : checkLine(survey, problems, style),
  )
  await output.write(lines.join(''))
  const wrong = checked.filter(({ problems }) => problems.length > 0).length
  if (wrong === 0) return
  const message = `${wrong} of ${counted(paths.length, 'device')} ${wrong === 1 ? 'is' : 'are'} not ok`
  throw new CommandError(EXIT.fault, 'CLI_NOT_OK', message, { devices: paths.length, wrong })
}
