import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { exposition } from '../../metrics/exposition.ts'
import { ringFamilies } from '../../metrics/rings.ts'
import { safeJson } from '../../text/render.ts'
import { checkDistinct, failureOf, surveyAll } from '../device/survey.ts'
import { type CommonFlags, devices, devicesOf, surveyFlags } from '../flags/flags.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

const fullDescription = `Prints what is known of rings in the text format of Prometheus: depth, capacity, fill, when the oldest item was
pushed, lag, counts since the ring was made, suspension, holders on this machine, leases. Opens each device read-only,
takes no role and changes nothing; works while producers and consumers run.

A device that cannot be inspected has shared_block_ring_up 0, the others have all of their metrics, the reason is on
standard error, and the exit code is 1. What is unknown has no sample, and shared_block_ring_known{what=...} is 0:
format 1 records no items, times and leases. Control and invisible characters of names are shown as escapes.

Times are by the clock of the host that wrote them: an age is time() minus such a time.

With --json: one object a metric and line, with "name", "type", "help" and "samples", each with "labels" and "value".

EXAMPLES
  sbr metrics /dev/vg0/queue
  sbr metrics /srv/rings/*.img > rings.prom.new; mv rings.prom.new rings.prom`

export const metrics: Command<CommandContext> = buildCommand({
  docs: { brief: 'Print metrics of rings for Prometheus, changing nothing', fullDescription },
  parameters: { positional: devices, flags: surveyFlags },
  func: run,
})

async function run(flags: CommonFlags, ...given: string[]): Promise<void> {
  const paths = devicesOf(given)
  checkDistinct(paths)
  using stop = stopSignals()
  const surveys = await surveyAll(paths, flags, stop.signal)
  const families = ringFamilies(surveys)
  const text =
    flags.json === true
      ? families.map((family) => `${safeJson(family)}\n`).join('')
      : exposition(families)
  await standardOutput(stop.signal).write(text)
  const failure = failureOf(surveys)
  if (failure !== undefined) throw failure
}
