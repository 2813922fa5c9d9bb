import { CodedError } from '../errors.ts'

/** What the process answers to its caller. Codes of a promise: they change only with the major version. */
export const EXIT = { done: 0, fault: 1, usage: 2, nothingNow: 3, suspended: 4 } as const

type Details = Readonly<Record<string, unknown>>

/** What a command could not do, with the exit code that says so. */
export class CommandError extends CodedError<string, Details> {
  override readonly name = 'CommandError'
  readonly exitCode: number

  constructor(
    exitCode: number,
    code: string,
    message: string,
    details: Details = {},
    cause?: unknown,
  ) {
    super(code, message, details, cause)
    this.exitCode = exitCode
  }
}

/** The command line is wrong. */
export function usageError(message: string): CommandError {
  return new CommandError(EXIT.usage, 'CLI_USAGE', message)
}

/** What helps on the command line against errors of the library. */
const HINTS: Readonly<Record<string, string>> = {
  RING_NOT_INITIALISED: 'If it should be one, see `sbr create --help`',
  RING_NOT_BLANK: 'To lose that: --force, or --erase --force to overwrite all of it',
  BLOCK_CLAIMED: 'Stop that first, or wait until it ends',
}

/** Anything that was thrown, as what is to be told about it. */
export function asCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error
  if (error instanceof CodedError) {
    const hint = HINTS[error.code]
    const message = hint === undefined ? error.message : `${error.message}. ${hint}`
    return new CommandError(EXIT.fault, error.code, message, { ...error.details }, error)
  }
  const message = error instanceof Error ? error.message : String(error)
  return new CommandError(EXIT.fault, 'CLI_INTERNAL', message, {}, error)
}

/** The same error with more to tell: a sentence, and values for programs. */
export function withNote(error: unknown, note: string, details: Details): CommandError {
  const { exitCode, code, message, details: known } = asCommandError(error)
  const all = { ...known, ...details }
  return new CommandError(exitCode, code, `${message}. ${note}`, all, error)
}
