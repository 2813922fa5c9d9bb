// Counts what a contestant asks the system for to make a commit durable: calls that flush, and writes to files
// that were opened so that each write is flushed.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from './host.mjs'
import { BEGIN, COMMITS, END } from './marks.mjs'

const FLUSHES = ['fsync', 'fdatasync', 'msync', 'sync_file_range', 'syncfs']
const WRITES = ['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2']
const OTHERS = ['open', 'openat', 'close', 'access', 'faccessat', 'faccessat2']
const KINDS = ['push', 'take']

/** Whether that can be counted here. */
export function canTrace() {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** Flushes for each push and each take, on average; a device has no takes. */
export async function countFlushes(id, folder) {
  const output = join(folder, 'strace')
  const calls = [...FLUSHES, ...WRITES, ...OTHERS].map((call) => `?${call}`).join(',')
  // With the paths of descriptors, whose numbers alone are not the same in each process.
  const by = ['strace', '-f', '-y', '-qq', '-s', '64', '-e', `trace=${calls}`, '-e', 'signal=none']
  const worker = await Worker.start(id, folder, 'both', [...by, '-o', output])
  try {
    await worker.ask('commit')
  } finally {
    await worker.stop()
  }
  return flushesIn(readFileSync(output, 'utf8'))
}

/** The same, from what strace wrote about one worker and its children. */
export function flushesIn(trace) {
  const counts = {}
  const durableFds = new Set()
  let kind
  for (const { call, args, result } of callsIn(trace)) {
    if (call.startsWith('open')) {
      if (/O_D?SYNC/.test(args)) durableFds.add(result)
      else durableFds.delete(result)
    }
    if (call === 'close') durableFds.delete(args)
    if (args.includes(BEGIN)) {
      kind = KINDS.find((known) => args.includes(BEGIN + known))
      counts[kind] = 0
    }
    if (args.includes(END)) kind = undefined
    if (kind === undefined) continue
    const [fd] = args.split(',')
    const flushed = WRITES.includes(call) && (durableFds.has(fd) || args.includes('RWF_DSYNC'))
    if (FLUSHES.includes(call) || flushed) counts[kind]++
  }
  return Object.fromEntries(Object.entries(counts).map(([each, count]) => [each, count / COMMITS]))
}

/** The calls in a trace, when they returned; those that another thread's interrupt are put together. */
function* callsIn(trace) {
  const begun = new Map()
  for (const line of trace.split('\n')) {
    const [, thread, text] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (text === undefined) continue
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(text)
    if (unfinished) {
      begun.set(thread, unfinished[1])
      continue
    }
    const whole = text.replace(/^<\.\.\. \w+ resumed>/, () => begun.get(thread) ?? '')
    const [, call, args, result] = /^(\w+)\((.*)\)\s+= (-?\d+(?:<[^>]*>)?)/.exec(whole) ?? []
    if (call !== undefined) yield { call, args, result }
  }
}
