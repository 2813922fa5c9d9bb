import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { onAbort } from '../abort.ts'
import { systemCode } from '../block/file/errors.ts'
import type { Delivery } from './delivery.ts'
import { CommandError, EXIT } from './errors.ts'
import { openInput } from './input-file.ts'

/** A command that performs operations. */
export interface ChildCommand {
  readonly command: string
  readonly args: readonly string[]
  /** How long it may go on after it was told to stop. */
  readonly graceMs: number
}

/** The command line is at fault, or the installation: no operation can be performed, whatever is tried. */
const NO_COMMAND: readonly (string | undefined)[] = [
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENOEXEC',
]

/**
 * Runs the command for one operation. When the signal is aborted it gets SIGTERM, and after the grace SIGKILL;
 * in any case it is gone when this settles.
 * @throws {CommandError} `CLI_COMMAND`: there is no such command
 * @throws {Error} it failed
 */
export async function runChild(
  { command, args, graceMs }: ChildCommand,
  { argument, input }: Delivery,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  await using file = input === undefined ? undefined : await openInput(input)
  signal.throwIfAborted()
  const child = start(command, argument === undefined ? args : [...args, argument], {
    stdio: [file?.fd ?? 'ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  })
  const problem = await untilExit(child, command, graceMs, signal)
  if (problem !== undefined) throw new Error(`${command} ${problem}`)
}

/** Some reasons not to start it, such as an argument that is too long, are thrown; others come as an event. */
function start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  try {
    return spawn(command, args, options)
  } catch (error) {
    throw startError(command, error)
  }
}

/** Waits for the command's end, which the signal hastens. Answers as `exitOf`. */
async function untilExit(
  child: ChildProcess,
  command: string,
  graceMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => {
    child.kill('SIGTERM')
    timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  }
  const listening = onAbort(signal, stop)
  try {
    return await exitOf(child, command)
  } finally {
    clearTimeout(timer)
    listening()
  }
}

/** Resolves when the command has ended: with nothing, or with what was wrong. */
function exitOf(child: ChildProcess, command: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => {
      if (code === 0) resolve(undefined)
      else resolve(code === null ? `was killed by ${signal}` : `ended with exit code ${code}`)
    })
    child.on('error', (error) => {
      // Later ones are about signals that it may not be sent; it goes on.
      if (child.pid === undefined) reject(startError(command, error))
    })
  })
}

function startError(command: string, cause: unknown): Error {
  const message = `could not start ${command}: ${cause instanceof Error ? cause.message : cause}`
  if (!NO_COMMAND.includes(systemCode(cause))) return new Error(message, { cause })
  return new CommandError(EXIT.fault, 'CLI_COMMAND', message, { command }, cause)
}
