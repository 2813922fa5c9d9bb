import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { type SuspendResumeFlags, suspendOrResume, timeoutFlag } from '../device/suspend-resume.ts'
import { device, roleFlags } from '../flags/flags.ts'

const fullDescription = `Asks the producer to pause, and waits until it grants that: from then on it pushes nothing. A producer
grants a request when it pushes, waits or starts. Suspending a suspended ring does nothing.

A consumer that runs on this machine makes the request on behalf of this command. If no producer runs, it waits for
one, without a limit unless there is a --timeout, and says so on standard error.

With --json: one object with "device" and "state", which is "suspended".

Exit codes: 0 suspended; 3 not granted in time (the request stays on the device); 130 or 143 stopped
by SIGINT or SIGTERM (likewise); 1 anything else.

EXAMPLES
  sbr suspend ring.img
  sbr suspend ring.img --timeout 10s && sbr consume ring.img --drain`

export const suspend: Command<CommandContext> = buildCommand({
  docs: { brief: 'Ask the producer to pause, and wait until it does', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: { timeout: timeoutFlag, ...roleFlags },
  },
  func: (flags: SuspendResumeFlags, path: string) => suspendOrResume('suspend', path, flags),
})
