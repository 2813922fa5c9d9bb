import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Much more than any measurement takes. */
const TIMEOUT_MS = 60_000

/**
 * Runs one job of fio, and answers what it tells about the direction: `iops` and more.
 * @param direction 'read' or 'write'
 */
export async function fio(direction, options) {
  const job = ['--name=bench', ...options, '--output-format=json']
  const { stdout } = await run('fio', job, { timeout: TIMEOUT_MS })
  // Engines may say something before.
  return JSON.parse(stdout.slice(stdout.indexOf('{'))).jobs[0][direction]
}

/** The options for a job that ends after so many milliseconds. */
export function forMs(ms) {
  return ['--time_based', `--runtime=${Math.ceil(ms)}ms`]
}
