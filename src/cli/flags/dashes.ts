import { shellWord } from '../../util/shell-word.ts'

/** Commands that run another, which stands after `--` with flags of its own. */
const RUNNERS: ReadonlySet<string> = new Set(['work', 'journal run'])

/**
 * The line to type instead, if the flags of another command may have been taken for ours.
 * @param command ours
 * @param inputs the whole command line
 */
export function dashesAdvice(
  command: string | undefined,
  inputs: readonly string[],
): string | undefined {
  if (command === undefined || !RUNNERS.has(command) || inputs.includes('--')) return undefined
  return dashesMissing(command, inputs.slice(command.split(' ').length))
}

/** The line to type instead of `DEVICE COMMAND ARGS`. */
export function dashesMissing(command: string, [device, ...rest]: readonly string[]): string {
  const isWord = (word: string | undefined): word is string => word?.startsWith('-') === false
  // Among flags it is not known where COMMAND begins.
  const [path, ...args] =
    isWord(device) && isWord(rest[0])
      ? [device, ...rest].map(shellWord)
      : ['DEVICE', 'COMMAND', 'ARGS']
  return `the command to run and its flags stand after --, so type: sbr ${command} ${path} -- ${args.join(' ')}`
}
