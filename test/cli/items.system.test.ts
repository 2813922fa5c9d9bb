import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { RingInspection } from '../../src/ring/inspection.ts'
import { FORMAT } from '../helpers/format.ts'
import { needs } from '../helpers/interop.ts'
import { attachLoop, loopProblem } from '../helpers/loop.ts'
import {
  diagnose,
  frame,
  jsonError,
  mainPath,
  numbers,
  ok,
  sbr,
  start,
  type TemporaryFolder,
  temporaryFolder,
} from './cli.ts'
import { look, makeRing, makeTinyRing } from './rings.ts'

async function ring(folder: TemporaryFolder, size?: string): Promise<string> {
  const path = folder.file('ring')
  await makeRing(path, size)
  return path
}

async function tinyRing(folder: TemporaryFolder): Promise<string> {
  const path = folder.file('ring')
  await makeTinyRing(path)
  return path
}

/** Waits until the ring says so. */
async function until(path: string, test: (state: RingInspection) => boolean) {
  while (!test(await look(path))) await sleep(20)
}

test('lines go through as they are', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  const input = Buffer.from('one\n\n\xff\x00\x1b[31m\r\nlast', 'latin1')
  await ok(['produce', path], input)
  expect((await diagnose(path))['items']).toHaveLength(4)
  const stdout = await ok(['consume', path, '--drain'])
  expect(stdout.equals(Buffer.concat([input, Buffer.from('\n')]))).toBe(true)
})

test('frames go through as they are', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder, '2MiB')
  const items = Array.from({ length: 300 }, (_, index) => frame(randomBytes((index * 37) % 5000)))
  const input = Buffer.concat([...items, frame(randomBytes(100_000)), frame(Buffer.alloc(0))])
  await ok(['produce', path, '--frames'], input)
  const stdout = await ok(['consume', path, '--drain', '--frames'])
  expect(stdout.equals(input)).toBe(true)
})

test('names are written for people, in format 1 as the original writes them', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await ok(['produce', path], 'one\ntwo\n')
  await ok(['consume', path, '--count', '1', '--queue', 'q', '--client', 'c'])
  const [producer, consumer] = {
    1: ['; producer = 16; suspend_ack = false', '; consumer = 8; suspend = false'],
    2: ['', ''],
  }[FORMAT]
  expect(await diagnose(path)).toMatchObject({
    producer: { text: `unknown used by unknown${producer}` },
    consumer: { text: `q used by c${consumer}` },
  })
})

test.runIf(FORMAT === 2)(
  'items that arrive together take one commit, and the space of their bytes',
  async () => {
    using folder = temporaryFolder()
    const path = await tinyRing(folder)
    await ok(['produce', path, '--no-wait'], numbers(1, 40))
    expect(await diagnose(path)).toMatchObject({ waitingItems: 40, stats: { commits: 1 } })
  },
)

test('consume stops after a count, or when the ring is empty', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await ok(['produce', path], numbers(1, 5))
  expect((await ok(['consume', path, '--count', '2'])).toString()).toBe(numbers(1, 2))
  expect((await ok(['consume', path, '--count', '9', '--drain'])).toString()).toBe(numbers(3, 5))
  const empty = await sbr(['consume', path, '--drain', '--json'])
  expect([empty.code, empty.stdout.length]).toEqual([3, 0])
  expect(jsonError(empty)).toMatchObject({ code: 'CLI_EMPTY', device: path })
})

test('consume waits for a count', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await using consumer = start(['consume', path, '--count', '2'])
  await ok(['produce', path], 'one\n')
  await consumer.printed((stdout) => stdout.length > 0)
  expect(consumer.child.exitCode).toBe(null)
  await ok(['produce', path], 'two\n')
  expect(await consumer.ended).toMatchObject({ code: 0, stdout: Buffer.from('one\ntwo\n') })
})

test('produce waits for room, in order', async () => {
  using folder = temporaryFolder()
  const path = await tinyRing(folder)
  const input = numbers(1, 5000)
  await using producer = start(['produce', path])
  producer.child.stdin.end(input)
  expect((await ok(['consume', path, '--count', '5000'])).toString()).toBe(input)
  const ended = await producer.ended
  expect(ended.code).toBe(0)
  // On a busy machine it may take the consumer long to begin, and then there is a word about waiting.
  expect(ended.stderr).toMatch(/^(sbr: \S+ is full; waiting for a consumer to make room; .*\n)*$/)
})

test('produce says once that it waits for room', async () => {
  using folder = temporaryFolder()
  const path = await tinyRing(folder)
  await using producer = start(['produce', path])
  producer.child.stdin.end(numbers(1, 1000))
  const waiting = `sbr: ${path} is full; waiting for a consumer to make room; to see whether one is at work: sbr diagnostics ${path}\n`
  await producer.complained((stderr) => stderr === waiting)
  await ok(['consume', path, '--count', '1000'])
  expect((await producer.ended).code).toBe(0)
})

test('produce reports as JSON how much it pushed', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  expect((await ok(['produce', path, '--json'], 'one\ntwo\n')).toString()).toBe('{"pushed":2}\n')
  expect((await ok(['produce', path, '--json'])).toString()).toBe('{"pushed":0}\n')
  expect((await ok(['produce', path], 'three\n')).toString()).toBe('')
})

test('produce gives up when there is no room, and says where to continue', async () => {
  using folder = temporaryFolder()
  const path = await tinyRing(folder)
  const full = await sbr(['produce', path, '--no-wait', '--json'], numbers(1, 5000))
  expect(full.code).toBe(3)
  const { code, pushed } = jsonError(full)
  expect(code).toBe('CLI_FULL')
  expect((await ok(['consume', path, '--drain'])).toString()).toBe(numbers(1, Number(pushed)))
  expect(pushed).toBeGreaterThan(100)
})

test('produce gives up when the ring is suspended', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  expect((await sbr(['suspend', path, '--timeout', '0'])).code).toBe(3)
  const suspended = await sbr(['produce', path, '--no-wait', '--json'], 'one\n')
  expect(suspended.code).toBe(4)
  expect(jsonError(suspended)).toMatchObject({ code: 'CLI_SUSPENDED', pushed: 0 })
})

test('an item that is too large is reported with its number, after those before it are pushed', async () => {
  using folder = temporaryFolder()
  const path = await tinyRing(folder)
  const largest = { 1: 2560 - 4, 2: 7 * 512 - 88 }[FORMAT]
  const line = await sbr(['produce', path, '--json'], `one\n${'x'.repeat(largest + 1)}\nthree\n`)
  expect(line.code).toBe(1)
  expect(jsonError(line)).toMatchObject({ code: 'RING_ITEM_TOO_LARGE', item: 2, pushed: 1 })
  const promise = Buffer.concat([frame(Buffer.from('two')), Buffer.from('fffffffff0', 'hex')])
  const framed = await sbr(['produce', path, '--frames', '--json'], promise)
  expect(jsonError(framed)).toMatchObject({ found: '4294967295', item: 2, pushed: 1 })
  const cut = await sbr(['produce', path, '--frames', '--json'], Buffer.from('0500000061', 'hex'))
  expect([cut.code, jsonError(cut)['code']]).toEqual([1, 'CLI_INPUT'])
  expect((await ok(['consume', path, '--drain'])).toString()).toBe('one\ntwo\n')
  await using consumer = start(['consume', path])
  await ok(['produce', path], 'x'.repeat(largest))
  await consumer.printed((stdout) => stdout.length === largest + 1)
})

test('a second producer is refused, with the name of the first', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await using first = start(['produce', path, '--client', 'the\x1b[31mfirst'])
  first.child.stdin.write('one\n')
  await until(path, ({ usedBytes }) => usedBytes > 0)
  const second = await sbr(['produce', path], 'two\n')
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('first')
  expect(second.stderr).not.toContain('\x1b')
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGQUIT', 131],
] as const)('%s ends between items', async (signal, exitCode) => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await using producer = start(['produce', path, '--json'])
  producer.child.stdin.write('one\nhalf of t')
  await until(path, ({ usedBytes: used }) => used > 0)
  producer.child.kill(signal)
  const ended = await producer.ended
  expect(ended.code).toBe(exitCode)
  expect(jsonError(ended)).toMatchObject({ code: 'CLI_STOPPED', pushed: 1 })

  await using forEver = start(['consume', path])
  await forEver.printed((stdout) => stdout.toString() === 'one\n')
  forEver.child.kill(signal)
  expect(await forEver.ended).toMatchObject({ code: 0, stderr: '' })
  expect(await diagnose(path)).toMatchObject({ usedBytes: 0 })

  await ok(['produce', path], 'two\n')
  await using counting = start(['consume', path, '--count', '2'])
  await counting.printed((stdout) => stdout.toString() === 'two\n')
  counting.child.kill(signal)
  expect((await counting.ended).code).toBe(exitCode)
})

test('input without ends of lines is refused before it fills the memory, unless it may be so large', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder, '64MiB')
  const large = 'x'.repeat((16 << 20) + 1)
  const refused = await sbr(['produce', path, '--json'], `one\n${large}`)
  expect(refused.code).toBe(1)
  const message = expect.stringMatching(/may have 16777216 bytes.*--max-item allows more/)
  expect(jsonError(refused)).toMatchObject({
    code: 'RING_ITEM_TOO_LARGE',
    message,
    item: 2,
    pushed: 1,
  })
  const ended = await sbr(
    ['produce', path, '--max-item', '10', '--json', '--frames'],
    frame(Buffer.alloc(11)),
  )
  expect(jsonError(ended)).toMatchObject({ code: 'RING_ITEM_TOO_LARGE', found: '11' })
  await ok(['produce', path, '--max-item', '17MiB'], `${large}\n`)
  const popped = await sbr(['consume', path, '--drain', '--json'])
  expect(popped.code).toBe(1)
  expect(JSON.parse(popped.stdout.toString())).toMatchObject({ hex: '6f6e65' })
  const advice = expect.stringMatching(/has 16777217 bytes.*allow more: --max-item 16777217/)
  expect(jsonError(popped)).toMatchObject({ code: 'RING_ITEM_TOO_LARGE', message: advice })
  const moved = await sbr(['migrate', path, folder.file('new'), '--json'])
  expect(jsonError(moved)).toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
  await ok(['migrate', path, folder.file('new'), '--max-item', '17MiB'])
  const drained = await ok(['consume', folder.file('new'), '--drain', '--max-item', '17MiB'])
  expect(drained.toString()).toBe(`${large}\n`)
})

test('--max-item is a flag of every command that reads or writes items', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder, '64MiB')
  const large = 'x'.repeat((16 << 20) + 1)
  const higher = ['--max-item', '17MiB']
  const push = ['journal', 'push', path]
  expect(jsonError(await sbr([...push, '--json'], `${large}\n`))).toMatchObject({
    code: 'RING_ITEM_TOO_LARGE',
  })
  await ok([...push, ...higher], `${large}\n`)
  for (const [command, ...rest] of [
    [['diagnostics', path]],
    [['journal', 'status', path]],
    [['journal', 'run', path, '--drain'], '--', 'wc', '-c'],
  ] as const) {
    const refused = await sbr([...command, '--json', ...rest])
    expect(refused.code).toBe(1)
    const { stdout, stderr } = refused
    expect(`${stdout}${stderr}`).toContain('RING_ITEM_TOO_LARGE')
    const taken = await ok([...command, ...higher, ...rest])
    expect(taken.toString()).toContain('16777217')
  }
})

test('a producer that waits for room can be stopped', async () => {
  using folder = temporaryFolder()
  const path = await tinyRing(folder)
  await using producer = start(['produce', path, '--json'])
  producer.child.stdin.write(numbers(1, 5000))
  await until(path, ({ freeBytes }) => freeBytes < { 1: 12, 2: 512 }[FORMAT])
  producer.child.kill('SIGTERM')
  const ended = await producer.ended
  expect(ended.code).toBe(143)
  const { pushed } = jsonError(ended)
  expect((await ok(['consume', path, '--drain'])).toString()).toBe(numbers(1, Number(pushed)))
})

test('a pipe that nobody empties does not keep a consumer alive', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder, '4MiB')
  await ok(['produce', path], `${'x'.repeat(100_000)}\n`.repeat(20))
  const child = spawn(process.execPath, [mainPath, 'consume', path], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    await once(child.stdout, 'readable')
    await sleep(300)
    const before = (await look(path)).usedBytes
    expect(before).toBeGreaterThan(1_000_000)
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
    expect((await look(path)).usedBytes).toBe(before)
  } finally {
    child.kill('SIGKILL')
  }
})

test('a consumer that is killed loses nothing', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  const count = 20_000
  await using producer = start(['produce', path])
  producer.child.stdin.end(numbers(1, count))
  let next = 1
  let kills = 0
  while (next <= count) {
    await using consumer = start(['consume', path])
    const enough = kills < 5 ? 1000 * (kills + 1) : Number.POSITIVE_INFINITY
    const last = `\n${count}\n`
    await consumer.printed((all) => all.length > enough || all.toString().endsWith(last))
    consumer.child.kill('SIGKILL')
    const { stdout, signal } = await consumer.ended
    expect(signal).toBe('SIGKILL')
    kills++
    const lines = stdout.toString().split('\n').slice(0, -1).map(Number)
    const [first = 0] = lines
    // Some may come again, none may be missing, and the order is kept.
    expect(first).toBeLessThanOrEqual(next)
    expect(lines).toEqual(lines.map((_, index) => first + index))
    next = Math.max(next, (lines.at(-1) ?? 0) + 1)
  }
  expect(kills).toBeGreaterThan(5)
  expect((await producer.ended).code).toBe(0)
})

/** Lets `head` have what it takes of a ring's items, and answers the first one that is left. */
async function leftByHead(): Promise<number> {
  using folder = temporaryFolder()
  const path = await ring(folder, '2MiB')
  const count = 100_000
  await ok(['produce', path], numbers(1, count))
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for the shell
  const script = '"$0" "$1" consume "$2" | head -n 3; echo "${PIPESTATUS[0]}"'
  const { stdout, stderr } = await promisify(execFile)('bash', [
    '-c',
    script,
    process.execPath,
    mainPath,
    path,
  ])
  expect([stdout, stderr]).toEqual(['1\n2\n3\n0\n', ''])
  const rest = (await ok(['consume', path, '--drain'])).toString()
  const first = Number.parseInt(rest, 10)
  expect(rest === numbers(first, count)).toBe(true)
  return first
}

test('a closed pipe loses nothing that it did not take', async () => {
  // What head took from the pipe is gone: at most what the pipe's 64 KiB and head's own buffer hold. That is little,
  // because little is sent at first; more only while a busy machine keeps head from running, so then once more.
  let first: number
  do {
    first = await leftByHead()
    expect(first).toBeLessThan(20_000)
  } while (first >= 1000)
})

test('a file is complete when the items are acknowledged', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder, '2MiB')
  const input = numbers(1, 100_000)
  await ok(['produce', path], input)
  const fd = openSync(folder.file('out'), 'a')
  const child = spawn(process.execPath, [mainPath, 'consume', path, '--drain'], {
    stdio: ['ignore', fd, 'inherit'],
  })
  closeSync(fd)
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(readFileSync(folder.file('out'), 'utf8')).toBe(input)
})

test('a full disk loses nothing', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder)
  await ok(['produce', path], numbers(1, 10))
  const fd = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [mainPath, 'consume', path, '--drain'], {
    stdio: ['ignore', fd, 'ignore'],
  })
  closeSync(fd)
  expect(await once(child, 'exit')).toEqual([1, null])
  expect((await ok(['consume', path, '--drain'])).toString()).toBe(numbers(1, 10))
})

test('a file that takes only a part loses nothing', async () => {
  using folder = temporaryFolder()
  const path = await ring(folder, '2MiB')
  await ok(['produce', path], numbers(1, 50_000))
  // Node ignores SIGXFSZ, so that the write which crosses the limit is short and the next one fails.
  const script = 'ulimit -f 64; "$0" "$1" consume "$2" --drain --json > "$3"'
  const args = ['-c', script, process.execPath, mainPath, path, folder.file('out')]
  const failed = await promisify(execFile)('bash', args).catch((error) => error)
  expect([failed.code, JSON.parse(failed.stderr).error.code]).toEqual([1, 'CLI_OUTPUT'])
  const printed = readFileSync(folder.file('out'), 'utf8').split('\n').slice(0, -1).length
  const rest = (await ok(['consume', path, '--drain'])).toString()
  const first = Number.parseInt(rest, 10)
  // 64 KiB of lines of some 96 bytes.
  expect(printed).toBeGreaterThan(500)
  expect(first).toBeLessThanOrEqual(printed + 1)
  expect(rest).toBe(numbers(first, 50_000))
})

test('a raw device is as good as a file', async (context) => {
  needs(context, loopProblem())
  using folder = temporaryFolder()
  writeFileSync(folder.file('image'), Buffer.alloc(1 << 20))
  using loop = attachLoop(folder.file('image'), { sectorSize: 4096 })
  await ok(['create', loop.path, '--format', String(FORMAT)])
  expect(await diagnose(loop.path)).toMatchObject({ sectorSize: 4096, sizeSectors: 256 })
  await using producer = start(['produce', loop.path])
  producer.child.stdin.end(numbers(1, 100_000))
  const stdout = await ok(['consume', loop.path, '--count', '100000'])
  expect(stdout.toString() === numbers(1, 100_000)).toBe(true)
  expect((await producer.ended).code).toBe(0)
  expect((await sbr(['create', loop.path, '--size', '2MiB'])).code).toBe(2)
})

/** Runs the command line with an open file as its standard input. */
async function sbrReading(
  input: string,
  args: readonly string[],
): Promise<{ code: number | null; stderr: string }> {
  const fd = openSync(input, 'r')
  try {
    const child = spawn(process.execPath, [mainPath, ...args], { stdio: [fd, 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    await once(child, 'close')
    return { code: child.exitCode, stderr }
  } finally {
    closeSync(fd)
  }
}

test.each(['produce', 'journal push'])(
  'a directory as the input of %s is no empty input',
  async (command) => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    const { code, stderr } = await sbrReading(folder.path, [...command.split(' '), path])
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /could not read standard input: EISDIR.*Items pushed: 0 \(CLI_INPUT\)\n$/,
      ),
    ])
    expect((await diagnose(path))['items']).toEqual([])
  },
)

test('a raw device as the input has its bytes', async (context) => {
  needs(context, loopProblem())
  using folder = temporaryFolder()
  const path = await ring(folder)
  writeFileSync(folder.file('lines'), `one\n${'x'.repeat(4091)}\n`)
  using loop = attachLoop(folder.file('lines'))
  expect(await sbrReading(loop.path, ['produce', path])).toEqual({ code: 0, stderr: '' })
  expect((await ok(['consume', path, '--drain'])).toString()).toBe(`one\n${'x'.repeat(4091)}\n`)
})
