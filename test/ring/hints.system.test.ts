import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { text } from '../../src/codec/index.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { temporaryFolder } from '../cli/cli.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice } from '../helpers/hooked.ts'

const script = fileURLToPath(new URL('hints-child.mjs', import.meta.url))
const MADE = { createIfMissing: { format: FORMAT } } as const

type Child = ChildProcessByStdio<Writable, Readable, null>

async function start(command: 'push' | 'take', path: string): Promise<Child> {
  const child = spawn(process.execPath, [script, command, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}

async function end(child: Child): Promise<void> {
  const ended = once(child, 'exit')
  child.stdin.end()
  expect(await ended).toEqual([0, null])
}

// Nothing but a hint of the other program ends a wait here: the time of who waits stands still, and its device reports
// no changes.
test('a reader is told by the program that pushes, also by the next one after a kill', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await using file = await FileBlockDevice.create(path, { sizeBytes: 1 << 20 })
  const device = new HookedDevice(file, { watch: false })
  const clock = new FakeClock()
  await using reader = await RingReader.open(device, { clock, codec: text, ...MADE })
  for (let lives = 0; lives < 3; lives++) {
    const child = await start('push', path)
    for (let pushes = 0; pushes < 20; pushes++) {
      const received = reader.receive()
      child.stdin.write(`${lives} ${pushes}\n`)
      const entry = await received
      expect(entry.item).toBe(`${lives} ${pushes}`)
      await entry.ack()
    }
    if (lives > 0) {
      await end(child)
      continue
    }
    const killed = once(child, 'exit')
    child.kill('SIGKILL')
    await killed
  }
})

test('a writer that waits for room is told by the program that acknowledges', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await using file = await FileBlockDevice.create(path, { sizeBytes: 128 << 10 })
  const device = new HookedDevice(file, { watch: false })
  await using writer = await RingWriter.open(device, { clock: new FakeClock(), ...MADE })
  const child = await start('take', path)
  const pushed = Array.from({ length: 40 }, () => writer.push(new Uint8Array(20_000)))
  child.stdin.write('take\n'.repeat(40))
  await Promise.all(pushed)
  await end(child)
})
