import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { type SuspendResumeFlags, suspendOrResume, timeoutFlag } from '../device/suspend-resume.ts'
import { device, roleFlags } from '../flags/flags.ts'

const fullDescription = `Asks the producer to continue, and waits until it grants that. Resuming a running ring does nothing.

A consumer that runs on this machine makes the request on behalf of this command. If no producer runs, it waits for
one, without a limit unless there is a --timeout, and says so on standard error.

With --json: one object with "device" and "state", which is "running".

Exit codes: as of suspend.

EXAMPLES
  sbr resume ring.img --timeout 10s`

export const resume: Command<CommandContext> = buildCommand({
  docs: { brief: 'Ask the producer to continue, and wait until it does', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: { timeout: timeoutFlag, ...roleFlags },
  },
  func: (flags: SuspendResumeFlags, path: string) => suspendOrResume('resume', path, flags),
})
