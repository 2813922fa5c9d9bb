#!/usr/bin/env node
import { packageVersion } from './version.ts'

const LINGER_MS = 100
/** The exit code of a program that has nothing left to wait for before its command is done, as Node has it. */
const UNSETTLED = 13

async function main(inputs: readonly string[]): Promise<number> {
  // Scripts ask for it: nothing else is loaded.
  if (inputs[0] === '--version' || inputs[0] === '-v') {
    process.stdout.write(`${packageVersion()}\n`)
    return 0
  }
  const { runCommandLine } = await import('./run.ts')
  return await runCommandLine(inputs)
}

// Errors of writing are told to those who wait for the write.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)
process.exitCode = UNSETTLED
void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
  // A write that hangs, to a pipe that nobody empties, must not keep a command alive that was told to stop.
  setTimeout(() => process.exit(), LINGER_MS).unref()
})
