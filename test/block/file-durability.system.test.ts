import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, type TestContext, test } from 'vitest'
import type { FileBlockDeviceOptions } from '../../src/block/file/index.ts'
import { runChild } from '../helpers/child.ts'
import { needs } from '../helpers/interop.ts'
import { straceProblem } from '../helpers/strace.ts'

const ENGINES = ['pool', 'sync', 'adaptive'] as const

/** The calls that move data, and those that ask about a file. */
const MOVING = ['pwrite64', 'pwritev', 'fdatasync', 'fsync']
const ASKING = ['pread64', 'preadv', 'fstat', 'newfstatat', 'statx', 'lseek']

let directory: string
let path: string

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-durability-'))
  path = join(directory, 'ring.img')
  fs.writeFileSync(path, new Uint8Array(4 << 20))
})

afterEach(() => fs.rmSync(directory, { recursive: true }))

/** A call on the file, by the program's main thread or by another. */
interface Call {
  readonly name: string
  readonly dsync: boolean
  readonly main: boolean
}

/** Runs a command of `file-child.mjs` and answers its calls on the file, in order. */
async function trace(
  context: TestContext,
  command: string,
  options: { open: FileBlockDeviceOptions; large?: number; writes?: number },
): Promise<Call[]> {
  needs(context, straceProblem())
  const log = join(directory, 'strace')
  const calls = `trace=openat,${[...MOVING, ...ASKING].join(',')}`
  const by = ['strace', '-f', '-e', calls, '-e', 'signal=none', '-o', log]
  expect(await runChild(command, path, options, by)).toMatchObject({ code: 0 })
  const lines = fs.readFileSync(log, 'utf8').split('\n')
  const [main] = lines[0]?.split(' ') ?? []
  const found: Call[] = []
  const flags = new Map<string, string>()
  // `unfinished` lines of a call that another thread interrupts are put together again by their end.
  const pending = new Map<string, string>()
  for (const line of lines) {
    const [thread = ''] = line.split(' ')
    if (line.includes('<unfinished')) {
      pending.set(thread, line.slice(0, line.indexOf('<unfinished')))
      continue
    }
    const whole = line.replace(/^\d+ +<\.\.\. \w+ resumed>/, () => pending.get(thread) ?? '')
    const opened = /openat\(AT_FDCWD, "([^"]*)", ([A-Z_|]+).* = (\d+)$/.exec(whole)
    if (opened?.[1] === path) flags.set(opened[3] ?? '', opened[2] ?? '')
    const [, name = '', fd = ''] = /^(?:\d+ +)?(\w+)\((\d+)/.exec(whole) ?? []
    if (!flags.has(fd)) continue
    const dsync = flags.get(fd)?.includes('O_DSYNC') === true
    found.push({ name, dsync, main: thread === main })
  }
  return found
}

/** The calls that move data, in order: `write`, `write dsync`, `fdatasync`. */
async function moves(
  context: TestContext,
  open: FileBlockDeviceOptions,
  large?: number,
): Promise<string[]> {
  const calls = await trace(context, 'write', large === undefined ? { open } : { open, large })
  return calls
    .filter(({ name }) => MOVING.includes(name))
    .map(({ name, dsync }) => (name.startsWith('pwrite') ? `write${dsync ? ' dsync' : ''}` : name))
}

for (const engine of ENGINES) {
  for (const direct of [false, true]) {
    const how = `${engine}, ${direct ? 'direct' : 'buffered'}`

    test(`dsync, ${how}: a durable write is one write through O_DSYNC`, async (context) => {
      const calls = ['write', 'write dsync', 'write dsync', 'fdatasync']
      expect(await moves(context, { engine, durability: 'dsync', direct })).toEqual(calls)
      if (!direct) expect(await moves(context, { engine, direct })).toEqual(calls)
    })

    test(`flush, ${how}: a durable write is a write and an fdatasync`, async (context) => {
      const calls = ['write', 'write', 'fdatasync', 'write', 'fdatasync', 'fdatasync']
      expect(await moves(context, { engine, durability: 'flush', direct })).toEqual(calls)
    })

    test(`none, ${how}: nothing waits for the disk`, async (context) => {
      const calls = ['write', 'write', 'write']
      expect(await moves(context, { engine, durability: 'none', direct })).toEqual(calls)
    })

    test(`${how}: a durable write costs one write, and a look at the file's end`, async (context) => {
      const count = async (writes: number): Promise<Record<string, number>> => {
        const counts: Record<string, number> = {}
        for (const { name } of await trace(context, 'durable', {
          open: { engine, direct },
          writes,
        })) {
          counts[name] = (counts[name] ?? 0) + 1
        }
        return counts
      }
      const few = await count(2)
      const many = await count(52)
      // The path is looked at once a second, however many requests there are.
      const { pread64 = 0, pwrite64 = 0, statx: looksOfFew = 0, ...rest } = few
      const { statx: looks = 0, ...calls } = many
      expect(calls).toEqual({ ...rest, pread64: pread64 + 50, pwrite64: pwrite64 + 50 })
      expect(looks - looksOfFew).toBeLessThan(50)
    })
  }
}

test('a durable write that takes several calls is flushed once', async (context) => {
  const calls = ['write', 'write dsync', 'write', 'write', 'write', 'fdatasync', 'fdatasync']
  expect(await moves(context, { durability: 'dsync', direct: true }, (2 << 20) + 512)).toEqual(
    calls,
  )
})

test('the default leaves every wait for the disk to other threads; sync leaves none', async (context) => {
  const waits = (calls: Call[]): boolean[] =>
    calls.filter(({ name }) => MOVING.includes(name)).map(({ main }) => main)
  expect(waits(await trace(context, 'write', { open: {} }))).toEqual([false, false, false, false])
  expect(waits(await trace(context, 'write', { open: { engine: 'sync' } }))).toEqual([
    true,
    true,
    true,
    true,
  ])
})
