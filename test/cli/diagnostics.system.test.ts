import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { diagnose, mainPath, numbers, ok, start, temporaryFolder } from './cli.ts'
import { makeRing } from './rings.ts'

test('works while both ends run', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  await using producer = start(['produce', path])
  await using consumer = start(['consume', path])
  let pushed = 0
  let seen = false
  // Both ends have something to do until they were seen at it, however long that takes.
  const feed = async (): Promise<void> => {
    while (!seen) {
      const more = numbers(pushed + 1, pushed + 5000)
      pushed += 5000
      if (!producer.child.stdin.write(more)) await once(producer.child.stdin, 'drain')
    }
    producer.child.stdin.end()
  }
  const look = async (): Promise<number> => {
    const state = await diagnose(path)
    const {
      items,
      usedBytes: used,
      freeBytes: free,
      capacityBytes: capacity,
    } = state as Record<string, number> & { items: object[] }
    expect(Number(used) + Number(free)).toBe(capacity)
    return items.length
  }
  const watch = async (): Promise<void> => {
    await look()
    await look()
    // What is acknowledged while it is read is left out, so a fast consumer may leave nothing to be seen. This one
    // comes to wait for the reader of its output.
    consumer.child.stdout.pause()
    while (!seen) seen = (await look()) > 0
    consumer.child.stdout.resume()
  }
  await Promise.all([feed(), watch()])
  const last = `\n${pushed}\n`
  await consumer.printed((stdout) => stdout.subarray(-last.length).toString() === last)
  expect((await producer.ended).code).toBe(0)
})

test('tells who is at work on this machine, as far as it is known', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  const idle = (await ok(['diagnostics', path])).toString()
  expect(idle).toMatch(/consumer .*; not at work on this machine\n/)
  expect(idle).toMatch(
    /producer {2}position [\d:]+, suspend_ack false; not at work on this machine\n/,
  )
  expect((await diagnose(path))['atWork']).toEqual({ producer: false, consumer: false })
  await using producer = start(['produce', path])
  await using consumer = start(['consume', path])
  producer.child.stdin.write('one\n')
  await consumer.printed((stdout) => stdout.length > 0)
  const busy = (await ok(['diagnostics', path])).toString()
  expect(busy).toMatch(/consumer .*suspend false; at work on this machine\n/)
  expect(busy).toMatch(/producer .*suspend_ack false; at work on this machine\n/)
  const found = await diagnose(path)
  expect(found['atWork']).toEqual({ producer: true, consumer: true })
  const since = expect.stringMatching(/^\d{4}-\d\d-\d\dT/)
  const who = { host: hostname(), since, holder: expect.stringContaining('client') }
  expect(found['holders']).toEqual({
    producer: { pid: producer.child.pid, ...who },
    consumer: { pid: consumer.child.pid, ...who },
  })
  expect(busy).toContain(`, process ${consumer.child.pid} on ${hostname()}, taken at `)
})

test('tells of one who holds a role and does not answer', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  await ok(['produce', path], 'one\n')
  await using consumer = start(['consume', path])
  await consumer.printed((stdout) => stdout.length > 0)
  consumer.child.kill('SIGSTOP')
  try {
    // The kernel says who it is, where its calls can be made.
    const silent = /^(another process|process \d+ of user \d+, which does not answer)/
    expect(await diagnose(path)).toMatchObject({
      atWork: { consumer: true },
      holders: { consumer: { holder: expect.stringMatching(silent) } },
    })
  } finally {
    consumer.child.kill('SIGCONT')
  }
})

test('is valid JSON for many items, and for large ones', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '8MiB')
  const large = 'x'.repeat(3_000_000)
  await ok(['produce', path], `${numbers(1, 50_000)}${large}`)
  const { items } = (await diagnose(path)) as { items: { hex: string; bytes: number }[] }
  expect(items).toHaveLength(50_001)
  expect(items.at(-1)?.bytes).toBe(3_000_000)
  expect(items.at(-1)?.hex === Buffer.from(large).toString('hex')).toBe(true)
})

test.runIf(process.platform === 'linux')('opens the device for reading only', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '8MiB')
  await ok(['produce', path], `${'x'.repeat(6_000_000)}\n`)
  // It cannot end before somebody reads what it prints.
  const child = spawn(process.execPath, [mainPath, 'diagnostics', path, '--json'])
  try {
    await once(child.stdout, 'readable')
    const proc = `/proc/${child.pid}`
    const open = readdirSync(`${proc}/fd`).filter((fd) => readlinkSync(`${proc}/fd/${fd}`) === path)
    const flags = open.map(
      (fd) => /^flags:\s*(\d+)/m.exec(readFileSync(`${proc}/fdinfo/${fd}`, 'utf8'))?.[1],
    )
    expect(flags.length).toBeGreaterThan(0)
    for (const flag of flags) expect(Number.parseInt(flag ?? '', 8) & 3).toBe(0)
  } finally {
    child.kill('SIGKILL')
  }
})

describe('a terminal', () => {
  const nasty = 'a\x1b[31m\x07\x9b\u202e\xff'

  async function terminal(...args: string[]): Promise<string> {
    const command = [process.execPath, mainPath, ...args].map((arg) => `'${arg}'`).join(' ')
    const env = { ...process.env, FORCE_COLOR: '0' }
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env })
    return stdout.replaceAll('\r\n', '\n')
  }

  async function problem(): Promise<string | undefined> {
    try {
      await promisify(execFile)('script', ['--version'])
      return undefined
    } catch {
      return 'there is no script (Debian package bsdutils) to make a terminal'
    }
  }

  test('gets no control characters from a device', async (context) => {
    needs(context, await problem())
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await makeRing(path)
    await ok(['produce', path, '--queue', nasty], `${nasty}\n`)
    const shown = await terminal('diagnostics', path)
    const printed = await terminal('consume', path, '--drain')
    expect(printed).toContain('a\\x1b[31m\\x07')
    for (const text of [
      shown,
      printed,
      await terminal('consume', path, '--drain', '--json').catch(String),
    ]) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
      expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/)
    }
  })

  test('gets no frames', async (context) => {
    needs(context, await problem())
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await makeRing(path)
    await ok(['produce', path], 'one\n')
    await expect(terminal('consume', path, '--frames', '--drain')).rejects.toMatchObject({
      code: 2,
    })
    expect(await diagnose(path)).toMatchObject({ items: [{ hex: '6f6e65' }] })
  })
})
