import { styleText } from 'node:util'
import type { CommandContext, StricliIntegration } from '@stricli/core'
import { documentOf, isRouteMap } from './document.ts'
import { commandHelp, fullHelp, groupHelp, type HelpView, helpColumns, overview } from './text.ts'

/** The view of the help for standard output. */
function terminalView(): HelpView {
  return {
    columns: helpColumns(process.stdout.columns || 80),
    heading: (text) => styleText('bold', text),
  }
}

/**
 * The flag `--help`, also for a command line without a command.
 * @param short whether no word was given: a list of the commands is enough
 */
export function helpFlag(short: boolean): StricliIntegration<CommandContext> {
  return {
    flag: {
      brief: 'Print this help',
      aliases: ['h'],
      global: true,
      complete: true,
      defaultForRouteMap: true,
      run({ root }, { result: { target, prefix } }) {
        const [view, name] = [terminalView(), prefix.join(' ')]
        const text = !isRouteMap(target)
          ? commandHelp(documentOf(name, target), view)
          : target !== root
            ? groupHelp(name, target, view)
            : short
              ? overview(target, view)
              : fullHelp(target, view)
        this.process.stdout.write(text)
      },
    },
  }
}
