import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { readLeases } from '../../../ring/access/lease.ts'
import { safeJson } from '../../../text/render.ts'
import { openDevice } from '../../device/device.ts'
import { withLeases } from '../../device/leases.ts'
import { device, type ReportFlags, reportFlags } from '../../flags/flags.ts'
import { leasesText } from '../../output/lease-text.ts'
import { standardOutput } from '../../output/output.ts'
import { styleFor } from '../../output/style.ts'
import { stopSignals } from '../../signals.ts'

const fullDescription = `Prints the leases of a ring of format 2. Opens the device read-only, takes no role and changes nothing. A held lease
does not prove that its holder is alive: run this twice, and check whether the lease was renewed in between.

A copy of a device has the same UUID and the same leases: its holder may be running on the original. On the copy no
host renews it. Break it there, and do not fence its holder.

With --json: one object with "device", the ring's "uuid", and "producer" and "consumer", each with "status" ("never",
"free", "held", "damaged", or "unreadable" with its "offset" on the device in bytes and the "problem") and, if there
is a record, "owner", "nonce", "epoch" (how often it was taken), "counter" (how often written), "timeoutMs" and "time"
(milliseconds since 1970, by the owner's clock).

EXAMPLES
  sbr lease show /dev/vg0/queue
  sbr lease show nbd://store/queue --json | jq .producer.owner`

export const show: Command<CommandContext> = buildCommand({
  docs: { brief: 'Show which hosts hold the roles', fullDescription },
  parameters: { positional: { kind: 'tuple', parameters: [device] }, flags: reportFlags },
  func: run,
})

async function run(flags: ReportFlags, path: string): Promise<void> {
  using stop = stopSignals()
  await using ring = await openDevice(path, 'read-only', flags)
  const leases = await withLeases(() => readLeases(ring))
  const output = standardOutput(stop.signal)
  const text =
    flags.json === true
      ? safeJson({ device: path, ...leases })
      : leasesText(leases, styleFor(output, flags.exact))
  await output.write(`${text}\n`)
}
