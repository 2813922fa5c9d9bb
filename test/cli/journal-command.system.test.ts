// What `sbr journal` makes of its arguments and of the command that it runs, which is the same for both formats.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deadLetters } from '../../src/codec/dead-letter.ts'
import { needs } from '../helpers/interop.ts'
import { straceProblem } from '../helpers/strace.ts'
import { frame, jsonError, mainPath, ok, sbr, start, temporaryFolder } from './cli.ts'
import { events, pending, ring, shell, status } from './journals.ts'
import { positions, waiting } from './rings.ts'

/** Bytes of a blank device that is large enough for a journal. */
const BLANK_BYTES = 65536

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('push and run make a journal where the device is blank, and nowhere else', async () => {
  using folder = temporaryFolder()
  for (const [index, args] of [['push'], ['run', '--drain']].entries()) {
    const [command = '', ...flags] = args
    const end = command === 'run' ? ['--', 'true'] : []
    const blank = folder.file(`blank-${index}`)
    writeFileSync(blank, Buffer.alloc(BLANK_BYTES))
    const { code } = await sbr(['journal', command, blank, ...flags, ...end])
    expect([command, code]).toEqual([command, command === 'run' ? 3 : 0])
    expect(await status(blank)).toMatchObject({ pendingOperations: 0, capacityBytes: 4 * 4096 })

    const other = folder.file(`other-${index}`)
    const content = Buffer.alloc(BLANK_BYTES, 'of somebody else')
    writeFileSync(other, content)
    const refused = await sbr(['journal', command, other, '--json', ...flags, ...end], 'x\n')
    expect(refused.code).toBe(1)
    expect(jsonError(refused)).toMatchObject({ code: 'RING_NOT_BLANK' })
    expect(readFileSync(other).equals(content)).toBe(true)
  }
})

test('pushes that make it at the same time lose nothing', async () => {
  using folder = temporaryFolder()
  for (let round = 0; round < 4; round++) {
    const path = folder.file(`blank-${round}`)
    writeFileSync(path, Buffer.alloc(65536))
    const pushes = ['a', 'b', 'c', 'd'].map(async (name) => {
      const { code } = await sbr(['journal', 'push', path], `${name}\n`)
      return code === 0 ? [name] : []
    })
    const pushed = (await Promise.all(pushes)).flat()
    expect(pushed.length).toBeGreaterThan(0)
    expect((await pending(path)).sort()).toEqual(pushed)
  }
})

test('run gives an operation as the last argument, without a shell', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await ok(['journal', 'push', path], '$(touch nothing) *\n\n--json\nüñ \ufeff\n')
  const command = ['printf', '[%s]\n', '--']
  const stdout = await ok(['journal', 'run', path, '--drain', '--as-argument', '--', ...command])
  expect(stdout.toString()).toBe(
    '[--]\n[$(touch nothing) *]\n[--]\n[]\n[--]\n[--json]\n[--]\n[üñ \ufeff]\n',
  )
})

test.each([
  ['a NUL', '610062', 'NUL'],
  ['no UTF-8', 'ff', 'UTF-8'],
  ['what could be a flag', '2d7266', 'end COMMAND with --'],
])('run does not give %s as an argument', async (_, hex, reason) => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  const input = [Buffer.from('before'), Buffer.from(hex, 'hex'), Buffer.from('after')]
  await ok(['journal', 'push', path, '--frames'], Buffer.concat(input.map(frame)))
  const flags = ['--drain', '--as-argument', '--json']
  const refused = await sbr(['journal', 'run', path, ...flags, '--', 'echo'])
  expect([refused.code, refused.stdout.toString()]).toEqual([1, 'before\n'])
  expect(jsonError(refused)).toMatchObject({
    code: 'WORK_UNDECODABLE',
    message: expect.stringContaining(`on ${path} does not decode`),
    reason: expect.stringContaining(reason),
    done: 1,
  })
  const again = await sbr(['journal', 'run', path, ...flags, '--', 'echo'])
  expect([again.code, again.stdout.toString()]).toEqual([1, ''])

  const dead = await ring(folder, 'dead')
  flags.push('--dead-letter', dead)
  expect((await ok(['journal', 'run', path, ...flags, '--', 'echo'])).toString()).toBe('after\n')
  const [stored] = await waiting(dead)
  const { bytes } = await deadLetters.decode(stored?.bytes ?? new Uint8Array())
  expect(Buffer.from(bytes).toString('hex')).toBe(hex)
})

test('run tells of failures safely', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  const command = folder.file('bad\x1b[31mname')
  writeFileSync(command, '#!/bin/sh\ntest $SBR_ATTEMPT -gt 1\n', { mode: 0o755 })
  await ok(['journal', 'push', path], 'one\n')
  const [position] = await positions(path)
  const flags = ['--drain', '--retry-interval', '1ms']
  const { code, stderr } = await sbr(['journal', 'run', path, ...flags, '--', command])
  expect(code).toBe(0)
  expect(stderr).toBe(
    `sbr: the item that ends at position ${position} failed (attempt 1), next attempt in 1 ms: ` +
      `${folder.path}/bad\\x1b[31mname ended with exit code 1\n`,
  )
})

test('run needs a dead letter ring that is there, and another one', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await ok(['journal', 'push', path], 'one\n')
  const blank = folder.file('blank')
  writeFileSync(blank, Buffer.alloc(8192))
  symlinkSync(path, folder.file('link'))
  for (const [dead, code, error] of [
    [folder.file('missing'), 1, 'BLOCK_OPEN'],
    [blank, 1, 'RING_NOT_INITIALISED'],
    [folder.file('link'), 2, 'CLI_USAGE'],
  ] as const) {
    const flags = ['--drain', '--json', '--dead-letter', dead]
    const ended = await sbr(shell(path, flags, 'echo ran'))
    expect([dead, ended.code, ended.stdout.length]).toEqual([dead, code, 0])
    expect(jsonError(ended)).toMatchObject({ code: error })
  }
  expect(await pending(path)).toEqual(['one'])
})

test('run ends at once when the command cannot be run, and gives nothing up', async () => {
  using folder = temporaryFolder()
  const [path, dead] = [await ring(folder), await ring(folder, 'dead')]
  await ok(['journal', 'push', path], 'one\n')
  const script = folder.file('not-executable')
  writeFileSync(script, '#!/bin/sh\n', { mode: 0o644 })
  for (const command of [folder.file('missing'), 'no-such-command-anywhere', script]) {
    const flags = ['--json', '--attempts', '1', '--dead-letter', dead]
    const ended = await sbr(['journal', 'run', path, ...flags, '--', command])
    expect(ended.code).toBe(1)
    expect(jsonError(ended)).toMatchObject({ code: 'CLI_COMMAND', command, done: 0 })
  }
  expect([await pending(path), await pending(dead)]).toEqual([['one'], []])
})

test('run ends at once where TMPDIR is of no use, and gives nothing up', async () => {
  using folder = temporaryFolder()
  const [path, dead] = [await ring(folder), await ring(folder, 'dead')]
  await ok(['journal', 'push', path], 'one\ntwo\n')
  const file = folder.file('file')
  writeFileSync(file, '')
  for (const tmpdir of [folder.file('missing'), file]) {
    for (const policy of [[], ['--attempts', '1'], ['--attempts', '1', '--dead-letter', dead]]) {
      const flags = ['--json', '--drain', ...policy]
      const ended = await sbr(shell(path, flags, 'echo ran'), '', { TMPDIR: tmpdir })
      expect([policy, ended.code, ended.stdout.toString()]).toEqual([policy, 1, ''])
      expect(jsonError(ended)).toMatchObject({
        code: 'CLI_COMMAND',
        message: expect.stringContaining(`could not be made in ${tmpdir} (TMPDIR)`),
        done: 0,
      })
    }
  }
  expect([await pending(path), await pending(dead)]).toEqual([['one', 'two'], []])
  const script = 'echo $SBR_ATTEMPT $(cat)'
  expect((await ok(shell(path, ['--drain'], script))).toString()).toBe('1 one\n1 two\n')
})

test.for(['no limit', 'a limit', 'dead letters'])(
  'where TMPDIR is full, no attempt is counted: %s',
  async (policy, context) => {
    needs(context, process.getuid?.() === 0 ? undefined : 'mounting takes root')
    using folder = temporaryFolder()
    const [path, dead] = [await ring(folder), await ring(folder, 'dead')]
    await ok(['journal', 'push', path], 'one\ntwo\n')
    const tmpdir = folder.file('small')
    mkdirSync(tmpdir)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', tmpdir])
    using _mounted = { [Symbol.dispose]: () => void execFileSync('umount', [tmpdir]) }
    writeFileSync(join(tmpdir, 'full'), Buffer.alloc(65536))
    const limit = policy === 'no limit' ? [] : ['--attempts', '1']
    const letters = policy === 'dead letters' ? ['--dead-letter', dead] : []
    const flags = ['--json', '--drain', ...limit, ...letters]
    const script = 'echo $SBR_ATTEMPT $(cat)'
    await using running = start(shell(path, [...flags, '--retry-interval', '1ms'], script), {
      TMPDIR: tmpdir,
    })
    await running.complained((stderr) => stderr.split('\n').length > 3)
    rmSync(join(tmpdir, 'full'))
    const { code, stdout, stderr } = await running.ended
    expect([code, stdout.toString()]).toEqual([0, '1 one\n1 two\n'])
    for (const event of events(stderr)) {
      expect(event).toMatchObject({
        event: 'notStarted',
        reason: expect.stringMatching(/in \S+small \(TMPDIR\): no space left .*; free some space/),
      })
    }
    expect(await pending(dead)).toEqual([])
  },
)

test('where no process can be started, no attempt is counted', async (context) => {
  needs(context, straceProblem())
  using folder = temporaryFolder()
  const [path, dead] = [await ring(folder), await ring(folder, 'dead')]
  await ok(['journal', 'push', path], 'one\n')
  const flags = ['--drain', '--attempts', '1', '--dead-letter', dead]
  const run = ['journal', 'run', path, ...flags, '--retry-interval', '1ms']
  const injected = [
    '-e',
    'trace=clone,fork,vfork',
    '-e',
    'inject=clone,fork,vfork:error=EAGAIN:when=1..3',
  ]
  const ended = spawnSync('strace', [
    ...['-f', '-qq', '-o', '/dev/null', ...injected, process.execPath, mainPath],
    ...[...run, '--', 'printenv', 'SBR_ATTEMPT'],
  ])
  expect([ended.status, ended.stdout.toString()]).toEqual([0, '1\n'])
  const told = ended.stderr.toString().trimEnd().split('\n')
  expect(told).toHaveLength(3)
  for (const line of told) {
    expect(line).toMatch(/waits, next try in 0.0 s: could not start printenv: .* see ulimit -u/)
  }
  expect([await pending(path), await pending(dead)]).toEqual([[], []])
})

test.runIf(process.platform === 'linux')('an argument that is too long is a failure', async () => {
  using folder = temporaryFolder()
  const [path, dead] = [await ring(folder, 'journal', '1MiB'), await ring(folder, 'dead', '1MiB')]
  await ok(['journal', 'push', path], `${'x'.repeat(500_000)}\nshort\n`)
  const flags = ['--drain', '--as-argument', '--attempts', '2', '--retry-interval', '1ms']
  const policy = ['--json', '--dead-letter', dead]
  const ended = await sbr(['journal', 'run', path, ...flags, ...policy, '--', 'echo'])
  expect([ended.code, ended.stdout.toString()]).toEqual([0, 'short\n'])
  expect(events(ended.stderr)[0]).toMatchObject({
    reason: expect.stringMatching(/could not start echo: .*E2BIG/),
  })
  expect(await pending(dead)).toHaveLength(1)
})

test('a command need not read its input', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder, 'journal', '8MiB')
  await ok(['journal', 'push', path], `${'x'.repeat(3_000_000)}\nlast\n`)
  const ended = await sbr(shell(path, ['--drain'], 'exit 0'))
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(await pending(path)).toEqual([])
})

test('a run that is told to stop kills a command that does not stop', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await ok(['journal', 'push', path], 'one\n')
  const script = 'trap "" TERM; echo $$; while :; do sleep 0.02; done'
  await using running = start(shell(path, ['--grace', '300ms'], script))
  await running.printed((stdout) => stdout.toString().endsWith('\n'))
  const startedAt = performance.now()
  running.child.kill('SIGTERM')
  const { code, stdout } = await running.ended
  const tookMs = performance.now() - startedAt
  expect(code).toBe(0)
  expect(tookMs).toBeGreaterThan(250)
  expect(tookMs).toBeLessThan(5000)
  expect(isAlive(Number(stdout.toString()))).toBe(false)
  expect(await pending(path)).toEqual(['one'])
})

test('status says what it could read of a damaged journal', async () => {
  using folder = temporaryFolder()
  const path = folder.file('image')
  copyFileSync(new URL('../golden/corrupt-len-huge.img', import.meta.url), path)
  const ended = await sbr(['journal', 'status', path, '--json'])
  expect(ended.code).toBe(1)
  const error = jsonError(ended)
  expect(error).toMatchObject({ code: 'RING_CORRUPT' })
  expect(JSON.parse(ended.stdout.toString())).toMatchObject({ pendingOperations: 0, error })
  expect((await sbr(['journal', 'status', path])).stdout.toString()).toContain('then damage')
})

test('status is not had of what is no journal', async () => {
  using folder = temporaryFolder()
  const blank = folder.file('blank')
  writeFileSync(blank, Buffer.alloc(8192))
  const ended = await sbr(['journal', 'status', blank, '--json'])
  expect([ended.code, jsonError(ended)['code']]).toEqual([1, 'RING_NOT_INITIALISED'])
  expect(readFileSync(blank).equals(Buffer.alloc(8192))).toBe(true)
})

test('run performs what the original left unperformed', async () => {
  using folder = temporaryFolder()
  const path = folder.file('image')
  copyFileSync(new URL('../golden/journal-unperformed.img', import.meta.url), path)
  const expected = await pending(path)
  expect(expected.length).toBeGreaterThan(0)
  const stdout = await ok(shell(path, ['--drain'], 'od -An -v -tx1 | tr -d " \\n"; echo'))
  const hex = expected.map((operation) => `${Buffer.from(operation).toString('hex')}\n`)
  expect(stdout.toString()).toBe(hex.join(''))
})

test('wrong usage ends with 2, and nothing was done', async () => {
  using folder = temporaryFolder()
  const path = folder.file('blank')
  const blank = Buffer.alloc(8192)
  writeFileSync(path, blank)
  const cases = [
    ['run'],
    ['run', path],
    ['run', '', '--', 'true'],
    ['run', path, '--', ''],
    ['run', path, '--attempts', '0', '--', 'true'],
    ['run', path, '--dead-letter', '', '--', 'true'],
    ['run', path, '--retry-interval', 'soon', '--', 'true'],
    ['run', path, 'true', '--nonsense'],
    ['push'],
    ['push', path, path],
    ['status', path, '--items', '-1'],
    ['nonsense'],
  ]
  for (const args of cases)
    expect([args, (await sbr(['journal', ...args])).code]).toEqual([args, 2])
  expect(readFileSync(path).equals(blank)).toBe(true)
  expect(existsSync(folder.file('true'))).toBe(false)
})

test('journal prints its help', async () => {
  for (const command of ['push', 'run', 'status']) {
    const help = (await ok(['journal', command, '--help'])).toString()
    expect(help).toContain('EXAMPLES')
    expect(help).toContain('DEVICE')
    expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThan(125)
  }
  expect((await ok(['journal', '--help'])).toString()).toContain('COMMANDS')
})
