import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { FORMAT } from '../helpers/format.ts'
import {
  frame,
  jsonError,
  numbers,
  ok,
  sbr,
  start,
  type TemporaryFolder,
  temporaryFolder,
} from './cli.ts'
import { events, letters, pending, ring, shell, status } from './journals.ts'
import { makeTinyRing, positions } from './rings.ts'

/** Prints an operation, and what the environment says of it. */
const SHOW = 'op=$(cat); echo "$SBR_POSITION $SBR_ATTEMPT $SBR_MAY_HAVE_RUN $op"'
/** Two operations of this many bytes fit into a tiny ring, three do not. */
const LARGE = { 1: 1000, 2: 1800 }[FORMAT]
async function tinyRing(folder: TemporaryFolder): Promise<string> {
  const path = folder.file('journal')
  await makeTinyRing(path)
  return path
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10)
}

describe('push and run', () => {
  test('perform in order, each once, and then nothing is left', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], numbers(1, 20))
    expect(await pending(path)).toHaveLength(20)
    const stdout = await ok(shell(path, ['--drain'], 'cat; echo'))
    expect(stdout.toString()).toBe(numbers(1, 20))
    const empty = await sbr(shell(path, ['--drain', '--json'], 'cat'))
    expect([empty.code, empty.stdout.length]).toEqual([3, 0])
    expect(jsonError(empty)).toMatchObject({ code: 'CLI_EMPTY', device: path })
  })

  test('take operations of any bytes in frames', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    const operations = ['00', '', 'ff0a00', '0a0a', 'e28398'].map((hex) => Buffer.from(hex, 'hex'))
    await ok(['journal', 'push', path, '--frames'], Buffer.concat(operations.map(frame)))
    const stdout = await ok(shell(path, ['--drain'], 'od -An -v -tx1 | tr -d " \\n"; echo'))
    expect(stdout.toString()).toBe('00\n\nff0a00\n0a0a\ne28398\n')
  })

  test('leave the names that they were given, and the same default', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], 'one\ntwo\n')
    await ok(shell(path, ['--drain'], 'cat'))
    expect(await status(path)).toMatchObject({
      producer: { text: expect.stringMatching(/^unknown journal used by unknown(;|$)/) },
      consumer: { text: expect.stringMatching(/^unknown journal used by unknown(;|$)/) },
    })
    const names = ['--queue', 'orders', '--client', 'shop']
    await ok(['journal', 'push', path, ...names], 'three\n')
    await ok(shell(path, ['--drain', ...names], 'cat'))
    expect(await status(path)).toMatchObject({
      producer: { text: expect.stringMatching(/^orders used by shop(;|$)/) },
      consumer: { text: expect.stringMatching(/^orders used by shop(;|$)/) },
    })
  })

  test('work at the same time, and the command learns what may have run', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], 'old\n')
    const [old] = await positions(path)
    await using running = start(shell(path, ['--client', 'the runner'], SHOW))
    await running.printed((stdout) => stdout.toString() === `${old} 1 1 old\n`)
    expect(await status(path)).toMatchObject({ performing: true })
    const second = await sbr(shell(path, ['--json'], SHOW))
    expect(second.code).toBe(1)
    expect(jsonError(second)).toMatchObject({ code: 'BLOCK_CLAIMED' })
    expect(second.stderr).toContain('the runner')

    await ok(['journal', 'push', path], 'new\n')
    await running.printed((stdout) => / 1 0 new\n$/.test(stdout.toString()))
    // The command has printed before it has ended, and one that is stopped before that has failed.
    await until(async () => (await status(path))['pendingOperations'] === 0)
    running.child.kill('SIGTERM')
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' })
    expect(await status(path)).toMatchObject({ pendingOperations: 0, performing: false })
  })

  test('a push waits for room, which a run makes; or it gives up', async () => {
    using folder = temporaryFolder()
    const path = await tinyRing(folder)
    const operations = `${'x'.repeat(LARGE)}\n`.repeat(5)
    const full = await sbr(['journal', 'push', path, '--no-wait', '--json'], operations)
    expect(full.code).toBe(3)
    expect(jsonError(full)).toMatchObject({ code: 'CLI_FULL', pushed: 2 })
    await using pushing = start(['journal', 'push', path])
    pushing.child.stdin.end(operations)
    await using running = start(shell(path, [], 'wc -c'))
    expect((await pushing.ended).code).toBe(0)
    await running.printed((stdout) => stdout.toString().split('\n').length === 8)
  })

  test('a suspended journal is told of', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await sbr(['suspend', path, '--timeout', '0'])
    const refused = await sbr(['journal', 'push', path, '--no-wait', '--json'], 'one\n')
    expect([refused.code, jsonError(refused)['pushed']]).toEqual([4, 0])
    expect((await ok(['journal', 'status', path])).toString()).toContain('suspended')
  })
})

describe('run', () => {
  test('performs what more processes pushed than a ring of format 2 keeps apart', async () => {
    using folder = temporaryFolder()
    const path = await tinyRing(folder)
    for (let n = 1; n <= 7; n++) await ok(['journal', 'push', path], `${n}\n`)
    const stdout = await ok(shell(path, ['--drain'], 'cat; echo'))
    expect(stdout.toString()).toBe(numbers(1, 7))
  })

  test('tries again what failed, and only then continues', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], 'one\ntwo\n')
    const [one, two] = await positions(path)
    const script = `${SHOW}; case $op$SBR_ATTEMPT in one1) exit 7;; one2) kill -KILL $$;; esac`
    const flags = ['--drain', '--json', '--retry-interval', '40ms']
    const ended = await sbr(shell(path, flags, script))
    expect(ended.stdout.toString()).toBe(
      `${one} 1 1 one\n${one} 2 1 one\n${one} 3 1 one\n${two} 1 1 two\n`,
    )
    expect(ended.code).toBe(0)
    const told = events(ended.stderr)
    const retry = { event: 'retried', what: 'handler', position: one }
    expect(told).toMatchObject([
      { ...retry, attempt: 1, reason: 'sh ended with exit code 7' },
      { ...retry, attempt: 2, reason: 'sh was killed by SIGKILL' },
    ])
    for (const [index, { delayMs }] of told.entries()) {
      expect(delayMs).toBeGreaterThanOrEqual(20 * 2 ** index)
      expect(delayMs).toBeLessThanOrEqual(40 * 2 ** index)
    }
  })

  test('stops after too many attempts, and loses nothing', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], 'one\nbad\nthree\n')
    const [one, bad] = await positions(path)
    const flags = ['--json', '--retry-interval', '1ms', '--attempts']
    const ended = await sbr(shell(path, [...flags, '3'], `${SHOW}; test $op != bad`))
    expect(ended.stdout.toString()).toBe(
      `${one} 1 1 one\n${bad} 1 1 bad\n${bad} 2 1 bad\n${bad} 3 1 bad\n`,
    )
    expect(ended.code).toBe(1)
    expect(events(ended.stderr)).toHaveLength(2)
    const last = ended.stderr.trimEnd().split('\n').at(-1) ?? ''
    expect(JSON.parse(last).error).toMatchObject({
      code: 'WORK_GIVEN_UP',
      position: bad,
      attempts: 3,
      done: 1,
      reason: 'sh ended with exit code 1',
    })
    expect(await pending(path)).toEqual(['bad', 'three'])
  })

  test('puts what keeps failing into the dead letter ring, and continues', async () => {
    using folder = temporaryFolder()
    const [path, dead] = [await ring(folder), await ring(folder, 'dead')]
    await ok(['journal', 'push', path], 'one\nbad\nthree\nbad too\n')
    const [one, bad, three, badToo] = await positions(path)
    const flags = ['--drain', '--json', '--retry-interval', '1ms', '--attempts', '2']
    const policy = ['--dead-letter', dead]
    const script = `${SHOW}; case $op in bad*) exit 1;; esac`
    const ended = await sbr(shell(path, [...flags, ...policy], script))
    expect([ended.code, ended.stdout.toString()]).toEqual([
      0,
      `${one} 1 1 one\n${bad} 1 1 bad\n${bad} 2 1 bad\n${three} 1 1 three\n` +
        `${badToo} 1 1 bad too\n${badToo} 2 1 bad too\n`,
    ])
    expect(events(ended.stderr).filter(({ event }) => event === 'deadLettered')).toMatchObject([
      { position: bad, attempts: 2, reason: 'sh ended with exit code 1' },
      { position: badToo, attempts: 2 },
    ])
    expect(await letters(dead)).toEqual(['bad', 'bad too'])
    expect(await pending(path)).toEqual([])
  })

  test('waits for the dead letter ring, and skips nothing before', async () => {
    using folder = temporaryFolder()
    const [path, dead] = [await ring(folder), await ring(folder, 'dead')]
    await ok(['journal', 'push', path], 'bad\nnext\n')
    const [bad, next] = await positions(path)
    await using producer = start(['produce', dead])
    producer.child.stdin.write('busy\n')
    await until(async () => (await pending(dead)).length === 1)
    const flags = ['--drain', '--json', '--retry-interval', '50ms', '--attempts', '1']
    const policy = ['--dead-letter', dead]
    await using running = start(shell(path, [...flags, ...policy], `${SHOW}; test $op != bad`))
    // It has failed to hand the operation over, and tries again.
    await running.complained((stderr) => stderr.includes('\n'))
    expect(await pending(path)).toEqual(['bad', 'next'])
    producer.child.stdin.end()
    const ended = await running.ended
    expect([ended.code, ended.stdout.toString()]).toEqual([
      ...[0, `${bad} 1 1 bad\n${next} 1 1 next\n`],
    ])
    expect(events(ended.stderr)[0]).toMatchObject({ event: 'retried', what: 'deadLetter' })
    expect((await pending(dead))[0]).toBe('busy')
    await ok(['consume', dead, '--count', '1'])
    expect(await letters(dead)).toEqual(['bad'])
  })
})

describe('a run that is told to stop', () => {
  const signals = ['SIGINT', 'SIGTERM'] as const

  test.each(signals)('by %s stops the command, and keeps the operation', async (signal) => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], 'one\ntwo\n')
    const [one, two] = await positions(path)
    const script =
      'trap "echo told to stop; exit 1" TERM; echo started; while :; do sleep 0.02; done'
    for (const [flags, code] of [
      [[], 0],
      [['--drain'], signal === 'SIGINT' ? 130 : 143],
    ] as const) {
      await using running = start(shell(path, flags, script))
      await running.printed((stdout) => stdout.toString() === 'started\n')
      running.child.kill(signal)
      const ended = await running.ended
      expect([ended.code, ended.stdout.toString()]).toEqual([code, 'started\ntold to stop\n'])
      expect(await pending(path)).toEqual(['one', 'two'])
    }
    const stdout = await ok(shell(path, ['--drain'], SHOW))
    expect(stdout.toString()).toBe(`${one} 1 1 one\n${two} 1 1 two\n`)
  })

  test('counts a command that succeeds all the same', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], 'one\ntwo\n')
    const script = 'trap "" TERM; echo started; sleep 0.3; exit 0'
    await using running = start(shell(path, ['--drain', '--json'], script))
    await running.printed((stdout) => stdout.length > 0)
    running.child.kill('SIGTERM')
    const ended = await running.ended
    expect([ended.code, jsonError(ended)['done']]).toEqual([143, 1])
    expect(await pending(path)).toEqual(['two'])
  })

  test.each([
    ['between two attempts', 'exit 1', ['one']],
    ['with nothing to do', 'exit 0', []],
  ])('%s ends at once', async (_, script, left) => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], 'one\n')
    await using running = start(shell(path, ['--retry-interval', '1m'], `echo ran; ${script}`))
    await running.printed((stdout) => stdout.length > 0)
    if (left.length > 0) await running.complained((stderr) => stderr !== '')
    else await until(async () => (await pending(path)).length === 0)
    running.child.kill('SIGTERM')
    expect(await running.ended).toMatchObject({ code: 0, stdout: Buffer.from('ran\n') })
    expect(await pending(path)).toEqual(left)
  })
})

test('a run that is killed leaves nothing undone, and keeps the order', async () => {
  using folder = temporaryFolder()
  const path = await tinyRing(folder)
  const done = folder.file('done')
  appendFileSync(done, '')
  const performed = (): string[] => readFileSync(done, 'utf8').split('\n').slice(0, -1)
  const count = 150
  await using pushing = start(['journal', 'push', path])
  pushing.child.stdin.end(numbers(1, count))
  let kills = 0
  // One write, so that a command that outlives its run is never in the middle of it. What it reads has to be
  // whole all the same.
  const script = 'read -r op; echo "$op" >> "$0"'
  while (!performed().includes(String(count))) {
    const before = performed().length
    const enough = kills < 8 ? before + 1 + kills : Number.POSITIVE_INFINITY
    await using running = start(['journal', 'run', path, '--', 'sh', '-c', script, done])
    await until(() => performed().length >= enough || performed().includes(String(count)))
    running.child.kill('SIGKILL')
    expect((await running.ended).signal).toBe('SIGKILL')
    kills++
  }
  expect(kills).toBeGreaterThan(8)
  expect((await pushing.ended).code).toBe(0)
  const firsts = [...new Set(performed())]
  expect(`${firsts.join('\n')}\n`).toBe(numbers(1, count))
  const { code } = await sbr(['journal', 'run', path, '--drain', '--', 'sh', '-c', script, done])
  expect([0, 3]).toContain(code)
  expect(await pending(path)).toEqual([])
})

describe('status', () => {
  test('says what waits, and changes nothing', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path], `one\ntwo\n${'x'.repeat(1000)}\n`)
    const [one, two, last] = await positions(path)
    await sbr(shell(path, ['--attempts', '1'], 'test $(cat) = one'))
    const before = readFileSync(path)
    const expected = {
      device: path,
      pendingOperations: 2,
      // Format 2 acknowledges what was pushed at once when all of it is done.
      pendingBytes: { 1: 8 + 1004, 2: 4096 }[FORMAT],
      capacityBytes: { 1: (1 << 20) - 3 * 512, 2: (1 << 20) - 12 * 4096 }[FORMAT],
      producer: { position: last, suspendAck: false, text: expect.stringContaining('journal') },
      consumer: { position: one, suspend: false, text: expect.stringContaining('journal') },
      performing: false,
    }
    const operations = [
      { position: two, bytes: 3, startHex: '74776f' },
      { position: last, bytes: 1000, startHex: '78'.repeat(256) },
    ]
    expect(await status(path)).toEqual({ ...expected, operations })
    expect(await status(path, '--items', '1')).toEqual({
      ...expected,
      operations: operations.slice(0, 1),
    })
    expect(await status(path, '--items', '0')).toEqual({ ...expected, operations: [] })
    const text = (await ok(['journal', 'status', path, '--items', '1'])).toString()
    expect(text).toMatch(/pending +2 operations/)
    expect(text).toMatch(/\d +3 {2}two\n\n1 more\n\n {2}pending /)
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('shows names and operations safely', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['journal', 'push', path, '--queue', '\x1b[31m'], '\x1b]0;title\x07\n')
    const text = (await ok(['journal', 'status', path])).toString()
    expect(text).toContain('\\x1b]0;title\\x07')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
  })
})
