import { CodedError } from '../errors.ts'
import { adviceFor } from './advice.ts'

/** Exit codes. They are stable: they change only with the major version. */
export const EXIT = {
  done: 0,
  fault: 1,
  usage: 2,
  nothingNow: 3,
  /** Shares its number with `nothingNow`: not an error, but not the expected result. */
  different: 3,
  suspended: 4,
} as const

type Details = Readonly<Record<string, unknown>>

/** A command's failure, with its exit code. */
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

/** The error for an empty ring. */
export function emptyNow(device: string): CommandError {
  return new CommandError(EXIT.nothingNow, 'CLI_EMPTY', `${device} is empty now`, { device })
}

/** Any error as a CommandError. */
export function asCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error
  if (error instanceof CodedError) {
    return new CommandError(EXIT.fault, error.code, adviceFor(error), { ...error.details }, error)
  }
  const message = error instanceof Error ? error.message : String(error)
  return new CommandError(EXIT.fault, 'CLI_INTERNAL', message, {}, error)
}

/** The same error with an additional sentence, and values for programs. */
export function withNote(error: unknown, note: string, details: Details): CommandError {
  const { exitCode, code, message, details: known } = asCommandError(error)
  const all = { ...known, ...details }
  return new CommandError(exitCode, code, `${message}. ${note}`, all, error)
}
