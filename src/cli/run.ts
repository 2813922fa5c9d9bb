import { inspect } from 'node:util'
import { ExitCode, run } from '@stricli/core'
import { safeLines } from '../text/render.ts'
import { buildApp, UNKNOWN_FLAG } from './app.ts'
import { asCommandError, type CommandError, EXIT, usageError } from './errors.ts'
import { dashesAdvice } from './flags/dashes.ts'
import { tellClaims } from './output/claim-notices.ts'
import { renderError } from './output/render-error.ts'
import { commandOf, isGroup } from './routes.ts'
import { Stopped } from './signals.ts'

/** Runs the command and returns the exit code. */
export async function runCommandLine(given: readonly string[]): Promise<number> {
  if (given[0] === '__complete') {
    const { proposalsFor } = await import('./completion/propose.ts')
    process.stdout.write(await proposalsFor(given.slice(1)))
    return EXIT.done
  }
  const inputs = given[0] === 'help' ? [...given.slice(1), '--help'] : given
  let failure: unknown
  const complaints: string[] = []
  tellClaims(wantsJson(inputs))
  const app = await buildApp(inputs[0], (error) => {
    failure = error
  })
  const stderr = { write: (text: string) => void complaints.push(text) }
  const host: { stdout: NodeJS.WriteStream; stderr: typeof stderr; exitCode?: number | string } = {
    stdout: process.stdout,
    stderr,
  }
  await run(app, inputs, { process: host })
  if (failure !== undefined) return report(asCommandError(failure), inputs)
  // Only errors of the parser are left.
  if (host.exitCode === ExitCode.InvalidArgument || host.exitCode === ExitCode.UnknownCommand) {
    const command = await commandOf(inputs)
    const help = command === undefined ? 'sbr --help' : `sbr help ${command}`
    const complaint = complaints.join('').trim().replaceAll('\n', '; ')
    const advice = complaint.startsWith(UNKNOWN_FLAG) ? dashesAdvice(command, inputs) : undefined
    const message = advice === undefined ? complaint : `${complaint}; ${advice}`
    return report(usageError(`${message} (see ${help})`), inputs)
  }
  if (host.exitCode !== ExitCode.Success) {
    return report(asCommandError(new Error(complaints.join('').trim())), inputs)
  }
  return (await lacksCommand(inputs)) ? EXIT.usage : EXIT.done
}

/** True if no command was given, although the help was not requested. */
async function lacksCommand([word, ...rest]: readonly string[]): Promise<boolean> {
  return word === undefined || (rest.length === 0 && (await isGroup(word)))
}

/** Reports the error on standard error. */
function report(error: CommandError, inputs: readonly string[]): number {
  const closedPipe = error instanceof Stopped && error.signal === 'SIGPIPE'
  if (!closedPipe) process.stderr.write(renderError(error, wantsJson(inputs)))
  if (process.env['SBR_DEBUG'] === '1') process.stderr.write(safeLines(inspect(error)))
  return error.exitCode
}

function wantsJson(inputs: readonly string[]): boolean {
  const end = inputs.indexOf('--')
  return inputs.slice(0, end < 0 ? inputs.length : end).includes('--json')
}
