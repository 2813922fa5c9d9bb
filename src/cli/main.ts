#!/usr/bin/env node
import { VERSION } from './version.ts'

const LINGER_MS = 100
/** Node's exit code for a program that has nothing left to wait for, although its command has not ended. */
const UNSETTLED = 13

async function main(inputs: readonly string[]): Promise<number> {
  // Scripts ask for it: nothing else is loaded.
  if (inputs[0] === '--version' || inputs[0] === '-v') {
    process.stdout.write(`${VERSION}\n`)
    return 0
  }
  const { runCommandLine } = await import('./run.ts')
  return await runCommandLine(inputs)
}

// The caller of a write gets its error.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)
process.exitCode = UNSETTLED
void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
  // A hanging write, to a pipe that is never read, must not keep a stopped command alive.
  setTimeout(() => process.exit(), LINGER_MS).unref()
})
