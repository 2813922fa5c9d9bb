import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { type SuspendResumeFlags, suspendOrResume, timeoutFlag } from '../device/suspend-resume.ts'
import { device, roleFlags } from '../flags/flags.ts'

const fullDescription = `Asks the producer to go on and waits until it acknowledges. Resuming a ring that runs does nothing.

If a consumer is at work on this machine, it is asked to make the request. Without a producer it waits for one, for
ever if there is no --timeout, and says so on standard error.

With --json: one object with "device" and "state", which is "running".

Exit codes: as of suspend.

EXAMPLES
  sbr resume ring.img --timeout 10s`

export const resume: Command<CommandContext> = buildCommand({
  docs: { brief: 'Ask the producer to go on, and wait until it does', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: { timeout: timeoutFlag, ...roleFlags },
  },
  func: (flags: SuspendResumeFlags, path: string) => suspendOrResume('resume', path, flags),
})
