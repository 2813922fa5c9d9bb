// Loaded before the command line: tells on descriptor 3, at the end, how much memory the process had at most.
import { readFileSync, writeSync } from 'node:fs'
import process from 'node:process'

// What `getrusage` says is also of the process that started this one.
process.once('exit', () => {
  const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  writeSync(3, kib)
})
