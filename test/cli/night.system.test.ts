import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { systemClock } from '../../src/clock.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { deviceBytes } from '../helpers/golden.ts'
import { append, attachProducer } from '../helpers/ring.ts'
import { mainPath, numbers, ok, type Running, sbr, start, temporaryFolder } from './cli.ts'
import { makeRing } from './tools.ts'

// Five states at three in the morning: whoever comes runs one command, and then one that it prints, as it is printed.

/** What a copied command must not run, nor be split at. */
const NAME = "it's $(touch run); a ring.img"

const folder = temporaryFolder()
const bin = temporaryFolder()
let path = ''
let count = 0

beforeAll(() => {
  writeFileSync(bin.file('sbr'), `#!/bin/sh\nexec '${process.execPath}' '${mainPath}' "$@"\n`, {
    mode: 0o755,
  })
})

afterAll(() => {
  folder[Symbol.dispose]()
  bin[Symbol.dispose]()
})

/** A ring for one test, with a name that has to be quoted. */
function newPath(): string {
  path = folder.file(`${++count} ${NAME}`)
  return path
}

/** A line that was printed, typed into a shell. */
function typed(line: string): Running {
  const env = { ...process.env, PATH: `${bin.path}:${process.env['PATH']}` }
  const child = spawn('sh', ['-c', `exec ${line}`], { env, cwd: folder.path })
  const running = { stdout: '', stderr: '' }
  child.stdout.on('data', (text) => {
    running.stdout += text
  })
  child.stderr.on('data', (text) => {
    running.stderr += text
  })
  const ended = once(child, 'close').then(() => ({
    code: child.exitCode,
    signal: child.signalCode,
    stdout: Buffer.from(running.stdout),
    stderr: running.stderr,
  }))
  const come = async (stream: 'stdout' | 'stderr', test: () => boolean): Promise<void> => {
    while (!test()) {
      if (child.exitCode !== null) throw new Error(`it ended before that: ${running.stderr}`)
      await once(child[stream], 'data')
    }
  }
  return {
    child,
    ended,
    printed: (test) => come('stdout', () => test(Buffer.from(running.stdout))),
    complained: (test) => come('stderr', () => test(running.stderr)),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** The first command that `sbr diagnostics` prints for what keeps a ring from its work, which has to be named so. */
async function advised(named: RegExp): Promise<string> {
  const { stdout, stderr } = await sbr(['diagnostics', path])
  const printed = `${stdout}${stderr}`
  expect(printed).toMatch(named)
  const ways = [/^ +((?:sbr|kill) .*)$/m, /: (sbr .*?), or /]
  const [, line] = ways.map((way) => way.exec(printed)).find((found) => found !== null) ?? []
  if (line === undefined) throw new Error(`no command is printed: ${printed}`)
  return line
}

/** That items go through it again, and that nothing was run which somebody else had written. */
async function works(): Promise<void> {
  await ok(['produce', path], 'through\n')
  expect((await ok(['consume', path, '--drain'])).toString()).toMatch(/(^|\n)through\n$/)
  expect(() => readFileSync(folder.file('run'))).toThrow('ENOENT')
}

test('a damaged ring is diagnosed and repaired', async () => {
  await ok(['create', newPath(), '--size', '256KiB'])
  for (const item of ['one\n', 'two\n', 'three\n']) await ok(['produce', path], item)
  const bytes = readFileSync(path)
  bytes.write('owt', bytes.indexOf('two'))
  writeFileSync(path, bytes)
  await using skipping = typed(await advised(/1 damaged item .* To skip all damaged items: /))
  await skipping.printed((stdout) => stdout.toString() === 'one\nthree\n')
  skipping.child.kill('SIGINT')
  await skipping.ended
  await works()
})

test('a ring that is full, with a producer that waits', async () => {
  await ok(['create', newPath(), '--size', '64KiB'])
  await using producer = start(['produce', path])
  producer.child.stdin.end(numbers(1, 20).replaceAll('\n', `${'x'.repeat(2000)}\n`))
  await producer.complained((stderr) => stderr.includes(' is full; waiting for a consumer'))
  await using consumer = typed(await advised(/100% full, and no consumer is at work/))
  expect((await producer.ended).code).toBe(0)
  await consumer.printed((stdout) => stdout.includes('\n20x'))
  consumer.child.kill('SIGINT')
  await consumer.ended
  await works()
})

test('a ring that somebody suspended, with a producer that waits', async () => {
  await makeRing(newPath(), 'one\n')
  await using producer = start(['produce', path])
  producer.child.stdin.write('two\n')
  await ok(['suspend', path])
  producer.child.stdin.end('three\n')
  await producer.complained((stderr) => stderr.includes(' is suspended; '))
  await using resuming = typed(await advised(/state +suspended[\s\S]*nothing is pushed until/))
  expect((await resuming.ended).code).toBe(0)
  expect((await producer.ended).code).toBe(0)
  await works()
})

test('a ring leased by a host that is dead', async () => {
  const anHourAgo = { ...systemClock, time: () => systemClock.time() - 3_600_000 }
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device)
  const producer = await attachProducer(device)
  await append(producer, Buffer.from('one'))
  await producer.close()
  const lease = { owner: 'host-a', timeoutMs: 5000 }
  const reader = await RingReader.open(device, { lease, clock: anHourAgo })
  writeFileSync(newPath(), await deviceBytes(device))
  await reader.close()
  expect((await sbr(['consume', path, '--drain'])).stderr).toContain('RING_LEASED')
  const named = /"host-a" leases the consumer's role and was last heard of 1 h ago/
  await using breaking = typed(await advised(named))
  expect((await breaking.ended).code).toBe(0)
  await works()
})

test('a ring whose consumer hangs', async () => {
  await makeRing(newPath(), 'one\n')
  await using hung = start(['consume', path])
  await hung.printed((stdout) => stdout.toString() === 'one\n')
  hung.child.kill('SIGSTOP')
  expect((await sbr(['consume', path, '--drain'])).stderr).toContain('BLOCK_CLAIMED')
  await using killing = typed(await advised(/the consumer does not answer; if it hangs, end it/))
  expect((await killing.ended).code).toBe(0)
  expect((await hung.ended).signal).toBe('SIGKILL')
  await works()
})
