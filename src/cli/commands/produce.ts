import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { openDevice } from '../device/device.ts'
import { checkLeasable } from '../device/leases.ts'
import { device, type ItemFlags, itemFlags, limitOf, namesOf } from '../flags/flags.ts'
import { type LeaseFlags, leaseFlags, leaseOf } from '../flags/lease-flags.ts'
import { type PushFlags, pushFlags, pushStandardInput } from '../input/push-input.ts'
import { stopSignals } from '../signals.ts'

type Flags = ItemFlags & PushFlags & LeaseFlags

const fullDescription = `Pushes each line of standard input as an item, without its newline, until the input ends. An item that counts as
pushed is on stable storage and visible to the consumer; items that arrive quickly share commits.

Waits while the ring is full or suspended, and after a moment says so on standard error. While it waits for input it
still grants a request to suspend. A second \`produce\` on the same ring is refused.

With --envelope each item gets an envelope with the time, and with --key, --id and each --header: what envelope() of
shared-block-ring/codec decodes, with bytes or text within, and sbr consume --envelope prints.

Exit codes: 0 all of the input was pushed; 3 no room and 4 suspended, with --no-wait; 130 or 143 stopped
by SIGINT or SIGTERM, between two items, before the input ended; 1 anything else. Unless it is 0, standard
error says how many items were pushed (with --json: "pushed"), so that you know where to continue.

With --json: one object with "pushed" once all of it was pushed, and no notice of waiting.

EXAMPLES
  sbr produce ring.img < lines.txt
  echo '{"total":7}' | sbr produce ring.img --envelope --header type=order --key anna --id order-7
  tail -f app.log | sbr produce /dev/vg0/queue --queue logs --client shipper
  sbr consume a.img --frames | sbr produce b.img --frames`

export const produce: Command<CommandContext> = buildCommand({
  docs: { brief: 'Push items from standard input', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      ...pushFlags,
      ...leaseFlags,
      ...itemFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const options = { ...namesOf(flags), ...limitOf(flags), ...leaseOf(flags) }
  await using ring = await openDevice(path, 'read-write', flags)
  await checkLeasable(ring, options)
  await pushStandardInput(ring, options, flags, stop.signal)
}
