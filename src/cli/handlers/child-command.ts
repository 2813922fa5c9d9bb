import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { systemCode, systemText } from '../../block/native/errors.ts'
import { onAbort } from '../../util/abort.ts'
import { CommandError, EXIT } from '../errors.ts'
import { type InputFile, openInput } from '../input/input-file.ts'
import type { Delivery } from './delivery.ts'

/** A command that is run for items. */
export interface ChildCommand {
  readonly command: string
  readonly args: readonly string[]
  /** Time to keep running after the signal to stop. */
  readonly graceMs: number
}

/** Errors of the command line or the installation: nothing can be run. */
const LASTING: readonly (string | undefined)[] = [
  ...['ENOENT', 'EACCES', 'EPERM', 'EROFS'],
  ...['ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOEXEC', 'E2BIG'],
]

/** Limits of the machine that may be temporary, and where to check them. */
const LIMITS: Readonly<Record<string, string>> = {
  EAGAIN: 'no more processes are allowed: see ulimit -u, or the pids limit of the container',
  EMFILE: 'no more descriptors are allowed: see ulimit -n',
  ENFILE: 'no more descriptors are allowed: see fs.file-max',
  ENOMEM: 'there is no memory left',
  ENOSPC: 'free some space there, or set TMPDIR',
  EDQUOT: 'free some space there, or set TMPDIR',
}

/** The command was not started, so this was no attempt at the item. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted'
}

/**
 * Runs the command for one item. When the signal aborts, it gets SIGTERM, and SIGKILL after the grace period; it
 * is gone when this settles.
 * @throws {CommandError} `CLI_COMMAND`: it cannot be started for any item
 * @throws {NotStarted} it could not be started now
 * @throws {Error} it failed
 */
export async function runChild(
  { command, args, graceMs }: ChildCommand,
  { argument, input, head }: Delivery,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  await using file = input === undefined ? undefined : await inputFor(command, input)
  signal.throwIfAborted()
  const child = await start(command, argument === undefined ? args : [...args, argument], {
    stdio: [file?.fd ?? 'ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  }).catch((cause: unknown) => {
    // An argument or an environment that is too long is the item's own fault, at each attempt.
    const isOwn = (argument ?? head) !== undefined && systemCode(cause) === 'E2BIG'
    throw isOwn ? new Error(notStarted(command, cause), { cause }) : startError(command, cause)
  })
  const problem = await untilExit(child, graceMs, signal)
  if (problem !== undefined) throw new Error(`${command} ${problem}`)
}

async function inputFor(command: string, input: Uint8Array): Promise<InputFile> {
  try {
    return await openInput(input)
  } catch (cause) {
    const failure = `a file for its input could not be made in ${tmpdir()} (TMPDIR)`
    throw startError(command, cause, `${failure}: ${systemText(cause)}`)
  }
}

/** Some errors of starting are thrown by `spawn`; others arrive as an event. */
function start(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, options)
    child.once('spawn', () => resolve(child))
    // Later errors are about signals that it may not be sent; it keeps running.
    child.on('error', reject)
  })
}

/** Waits for the command to end; the signal ends it early. Resolves as `exitOf`. */
async function untilExit(
  child: ChildProcess,
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
    return await exitOf(child)
  } finally {
    clearTimeout(timer)
    listening()
  }
}

/** Resolves when the command has ended: with undefined, or with the reason of its failure. */
function exitOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      if (code === 0) resolve(undefined)
      else resolve(code === null ? `was killed by ${signal}` : `ended with exit code ${code}`)
    })
  })
}

function startError(command: string, cause: unknown, reason?: string): Error {
  const message = notStarted(command, cause, reason)
  if (!LASTING.includes(systemCode(cause))) return new NotStarted(message, { cause })
  return new CommandError(EXIT.fault, 'CLI_COMMAND', message, { command }, cause)
}

function notStarted(command: string, cause: unknown, reason = systemText(cause)): string {
  const limit = LIMITS[systemCode(cause) ?? '']
  return `could not start ${command}: ${reason}${limit === undefined ? '' : `; ${limit}`}`
}
