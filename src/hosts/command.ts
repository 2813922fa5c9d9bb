import { execFile } from 'node:child_process'
import type { LeaseRecord } from '../ring/lease-types.ts'

/** How a fence's command is run. */
export interface CommandOptions {
  /** How long it may take before it is killed and counts as failed, in milliseconds. Default 60,000. */
  readonly limitMs?: number
}

const LIMIT_MS = 60_000
const MAX_OUTPUT_BYTES = 64 << 20

/**
 * A fence that runs a command, without a shell, with the holder's `owner` as its last argument. Exit code 0 has to mean: this
 * host is cut off from the storage for good, and nothing that it wrote can arrive any more.
 * @param argv the program and its first arguments
 * @throws {RangeError} there is no program
 */
export function fenceByCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): (holder: LeaseRecord) => Promise<void> {
  if (argv[0] === undefined || argv[0] === '') throw new RangeError('a fence needs a program')
  return async ({ owner }) => {
    await runCommand([...argv, owner], options)
  }
}

/**
 * Runs a program, and answers what it printed.
 * @throws {Error} it could not be started, took too long or did not end with 0; with what it complained of
 */
export function runCommand(
  [program = '', ...args]: readonly string[],
  { limitMs = LIMIT_MS }: CommandOptions = {},
): Promise<string> {
  const options = { timeout: limitMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES } as const
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else
        reject(new Error(`${program}: ${whyOf(error)} ${stderr.trim()}`.trim(), { cause: error }))
    })
    child.stdin?.end()
  })
}

function whyOf({
  killed,
  code,
  signal,
  message,
}: import('node:child_process').ExecFileException): string {
  if (killed === true) return 'it took too long.'
  if (typeof code === 'number') return `it ended with exit code ${code}.`
  return typeof signal === 'string' ? `it was killed by ${signal}.` : message
}
