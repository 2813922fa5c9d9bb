import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, type TestContext, test } from 'vitest'
import type { FileBlockDeviceOptions } from '../../src/block/file.ts'
import { runChild } from '../helpers/child.ts'
import { needs } from '../helpers/interop.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-durability-'))
  path = join(directory, 'ring.img')
  fs.writeFileSync(path, new Uint8Array(4 << 20))
})

afterEach(() => fs.rmSync(directory, { recursive: true }))

function straceProblem(): string | undefined {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'strace (Debian package strace) does not work'
  }
}

/** The calls that move data of the file, in order: `write`, `write dsync`, `fdatasync`. */
async function trace(
  context: TestContext,
  open: FileBlockDeviceOptions,
  large?: number,
): Promise<string[]> {
  needs(context, straceProblem())
  const log = join(directory, 'strace')
  const calls = 'trace=openat,pwrite64,pwritev,fdatasync,fsync'
  const by = ['strace', '-f', '-e', calls, '-e', 'signal=none', '-o', log]
  expect(await runChild('write', path, { open, large }, by)).toMatchObject({ code: 0 })
  const found: string[] = []
  const flags = new Map<string, string>()
  // `unfinished` lines of a call that another thread interrupts are put together again by their end.
  const pending = new Map<string, string>()
  for (const line of fs.readFileSync(log, 'utf8').split('\n')) {
    const [thread = ''] = line.split(' ')
    if (line.includes('<unfinished')) {
      pending.set(thread, line.slice(0, line.indexOf('<unfinished')))
      continue
    }
    const whole = line.replace(/^\d+ +<\.\.\. \w+ resumed>/, () => pending.get(thread) ?? '')
    const opened = /openat\(AT_FDCWD, "([^"]*)", ([A-Z_|]+).* = (\d+)$/.exec(whole)
    if (opened?.[1] === path) flags.set(opened[3] ?? '', opened[2] ?? '')
    const [, call = '', fd = ''] = /(pwrite\w+|fdatasync|fsync)\((\d+)/.exec(whole) ?? []
    if (!flags.has(fd)) continue
    const dsync = flags.get(fd)?.includes('O_DSYNC') === true ? ' dsync' : ''
    found.push(call.startsWith('pwrite') ? `write${dsync}` : call)
  }
  return found
}

for (const direct of [false, true]) {
  const how = direct ? 'direct' : 'buffered'

  test(`dsync, ${how}: a durable write is one write through O_DSYNC`, async (context) => {
    const calls = ['write', 'write dsync', 'write dsync', 'fdatasync']
    expect(await trace(context, { durability: 'dsync', direct })).toEqual(calls)
    if (!direct) expect(await trace(context, { direct })).toEqual(calls)
  })

  test(`flush, ${how}: a durable write is a write and an fdatasync`, async (context) => {
    const calls = ['write', 'write', 'fdatasync', 'write', 'fdatasync', 'fdatasync']
    expect(await trace(context, { durability: 'flush', direct })).toEqual(calls)
  })

  test(`none, ${how}: nothing waits for the disk`, async (context) => {
    const calls = ['write', 'write', 'write']
    expect(await trace(context, { durability: 'none', direct })).toEqual(calls)
  })
}

test('a durable write that takes several calls is flushed once', async (context) => {
  const calls = ['write', 'write dsync', 'write', 'write', 'write', 'fdatasync', 'fdatasync']
  expect(await trace(context, { durability: 'dsync', direct: true }, (2 << 20) + 512)).toEqual(
    calls,
  )
})
