import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CommandError, EXIT } from '../errors.ts'

/**
 * Checks that a command can be run, before any work that depends on it.
 * @throws {CommandError} `CLI_COMMAND`: there is none, or it may not be run
 */
export function checkCommand(command: string): void {
  const isPath = command.includes('/')
  const folders = isPath ? [''] : (process.env['PATH'] ?? '').split(delimiter)
  if (folders.some((folder) => isRunnable(isPath ? command : join(folder, command)))) return
  const where = isPath ? '' : ' in PATH'
  const message = `there is no command ${command}${where}, or it may not be run`
  throw new CommandError(EXIT.fault, 'CLI_COMMAND', message, { command })
}

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
