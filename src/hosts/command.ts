import type { LeaseRecord } from '../ring/lease-types.ts'
import { checkRange } from '../util/numbers.ts'
import { checkOptions } from '../util/options.ts'
import { runCommand } from './run-command.ts'

/** Options of a fence's command. */
export interface CommandFenceOptions {
  /**
   * Time limit in milliseconds, 1 to 2,147,483,647. At the limit the command is killed with every process that it has
   * started, and the fence has failed. Default 60,000.
   */
  readonly timeoutMs?: number
}

/**
 * A fence that runs a command without a shell: `program ...arguments -- OWNER`. The holder's owner is also in the
 * environment, as `SBR_OWNER`. It comes from the device, so any program that can write there can name any host. It
 * consists of letters, digits, `. _ : / @ [ ] -` and single spaces, and no word of it begins like an option.
 *
 * Exit code 0 must mean that this host is cut off from the storage for good, and that none of its writes can still
 * arrive. Processes that the command leaves running are not waited for.
 * @param argv the program and its first arguments
 * @throws {TypeError} an option is unknown or has the wrong type
 * @throws {RangeError} there is no program, or `timeoutMs` is out of range
 */
export function fenceByCommand(
  argv: readonly string[],
  options: CommandFenceOptions = {},
): (holder: LeaseRecord) => Promise<void> {
  checkOptions('fenceByCommand', options, { timeoutMs: 'number' })
  const [program, ...args] = argv
  if (program === undefined || program === '') throw new RangeError('a fence needs a program')
  const limitMs = checkLimit(options.timeoutMs)
  return async ({ owner }) => {
    await runCommand([program, ...args, '--', owner], { limitMs, env: { SBR_OWNER: owner } })
  }
}

const LIMIT_MS = 60_000
/** The longest time of a timer. */
const MAX_LIMIT_MS = 2 ** 31 - 1

/** @throws {RangeError} it is longer than a timer allows, or not positive */
export function checkLimit(limitMs: number = LIMIT_MS): number {
  checkRange({ timeoutMs: limitMs }, 1, MAX_LIMIT_MS)
  return limitMs
}
