import { buildChoiceParser, buildCommand, type Command, type CommandContext } from '@stricli/core'
import { COMPLETION_SCRIPTS, type Shell } from '../completion/scripts.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const satisfies readonly Shell[]

const fullDescription = `Prints a script that lets a shell complete commands, flags and their values; the shell itself completes paths.

EXAMPLES
  eval "$(sbr completion bash)"
  sbr completion bash > /etc/bash_completion.d/sbr
  eval "$(sbr completion zsh)"
  sbr completion fish > ~/.config/fish/completions/sbr.fish`

export const completion: Command<CommandContext> = buildCommand({
  docs: { brief: 'Print a script that completes command lines', fullDescription },
  parameters: {
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: `The shell: ${SHELLS.join(', ')}`,
          placeholder: 'SHELL',
          parse: buildChoiceParser(SHELLS),
          proposeCompletions: () => SHELLS,
        },
      ],
    },
    flags: {},
  },
  func: run,
})

async function run(_flags: object, shell: Shell): Promise<void> {
  using stop = stopSignals()
  await standardOutput(stop.signal).write(COMPLETION_SCRIPTS[shell])
}
