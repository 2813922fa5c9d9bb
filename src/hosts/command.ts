import type { LeaseRecord } from '../ring/lease-types.ts'
import { runCommand } from './run-command.ts'

/** How a fence's command is run. */
export interface CommandOptions {
  /**
   * How long it may take, in milliseconds, 1 to 2,147,483,647. Then it is killed with all that it has started, and counts as failed.
   * Default 60,000.
   */
  readonly limitMs?: number
}

/**
 * A fence that runs a command, without a shell: `program ...arguments -- OWNER`. The holder's owner is also in the environment,
 * as `SBR_OWNER`. It comes from the device, so that whoever can write there can name any host; it has no
 * character but letters, digits, `. _ : / @ [ ] -` and single spaces, and no word of it begins like an option.
 *
 * Exit code 0 has to mean: this host is cut off from the storage for good, and nothing that it wrote can arrive any more. What
 * the command leaves running when it exits is not waited for.
 * @param argv the program and its first arguments
 * @throws {RangeError} there is no program, or `limitMs` is out of range
 */
export function fenceByCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): (holder: LeaseRecord) => Promise<void> {
  const [program, ...args] = argv
  if (program === undefined || program === '') throw new RangeError('a fence needs a program')
  const limitMs = checkLimit(options.limitMs)
  return async ({ owner }) => {
    await runCommand([program, ...args, '--', owner], { limitMs, env: { SBR_OWNER: owner } })
  }
}

const LIMIT_MS = 60_000
/** The longest time that a timer takes. */
const MAX_LIMIT_MS = 2 ** 31 - 1

/** @throws {RangeError} no timer takes that long, or it is no time at all */
export function checkLimit(limitMs: number = LIMIT_MS): number {
  if (limitMs >= 1 && limitMs <= MAX_LIMIT_MS) return limitMs
  throw new RangeError(`limitMs is from 1 to ${MAX_LIMIT_MS}, not ${limitMs}`)
}
