// Programs that end by themselves, and waiting for what comes about by itself.
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const PROGRAM_MS = 60_000

/** Runs a program to its end, and answers what it printed. */
export async function run(program, args, { timeoutMs = PROGRAM_MS, signal } = {}) {
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL', signal, maxBuffer: 16 << 20 }
  const { stdout } = await execute(program, args, options)
  return stdout
}

/**
 * Waits until something is so. `isSo` may also fail, which counts as no.
 * @throws {Error} it was not so in time, with the last failure as the cause
 */
export async function eventually(what, isSo, { withinMs, everyMs = 100, signal }) {
  const end = performance.now() + withinMs
  let failure
  while (performance.now() < end) {
    signal?.throwIfAborted()
    try {
      if (await isSo()) return
      failure = undefined
    } catch (error) {
      failure = error
    }
    await sleep(everyMs, undefined, { signal })
  }
  throw new Error(`not within ${withinMs / 1000} s: ${what}`, { cause: failure })
}
