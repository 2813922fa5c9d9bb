import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, type TestContext, test } from 'vitest'
import { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import { text } from '../../../src/codec/index.ts'
import { isRingError } from '../../../src/errors.ts'
import { Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { type NbdServer, startNbdkit } from '../../helpers/nbd-servers.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()
const child = fileURLToPath(new URL('ring-child.mjs', import.meta.url))

/** Seconds, longer than any test: a server with this delay never answers. */
const NEVER = '300'

function disk(): string {
  const file = scene.file('disk')
  writeFileSync(file, new Uint8Array(1 << 20))
  return file
}

/** Pushes until that fails or is over. Answers how many items were acknowledged, with those before. */
async function pushOn(
  writer: RingWriter<string>,
  acknowledged: number,
  isOver: () => boolean,
): Promise<number> {
  for (let item = acknowledged; ; item++) {
    if (isOver()) return item
    try {
      await writer.push(`item ${item}`)
    } catch (error) {
      expect(error).toMatchObject({ code: 'BLOCK_LOST' })
      await expect(writer.push('more')).rejects.toMatchObject({ code: 'RING_POISONED' })
      return item
    }
  }
}

/** Servers of a disk, and the names of their exports. */
const SERVERS: readonly (readonly [
  string,
  (context: TestContext, file: string) => Promise<NbdServer>,
  string,
])[] = [
  ['nbdkit', (context, file) => scene.nbdkit(context, 'file', file), ''],
  ['qemu-nbd', (context, file) => scene.qemu(context, '-f', 'raw', file), 'exp'],
  ['nbd-server', (context, file) => scene.nbdServer(context, file), 'exp'],
]

describe.each(SERVERS)('%s', (_, serve, name) => {
  test.for([1, 2] as const)(
    'format %i: items of all sizes go several times around a small ring',
    async (format, context) => {
      const items = Array.from({ length: 300 }, (_, item) => `${item} `.repeat((item * 37) % 6000))
      const server = await serve(context, disk())
      const options = { connections: 2 }
      const device = await scene.connect(server, options, name)
      await Producer.create(device, { format })
      const writer = scene.keep(await RingWriter.open(device, { codec: text }))
      const other = await scene.connect(server, options, name)
      const reader = scene.keep(await RingReader.open(other, { codec: text }))
      const pushing = (async () => {
        for (let at = 0; at < items.length; at += 8) await writer.pushMany(items.slice(at, at + 8))
      })()
      const found: string[] = []
      while (found.length < items.length) {
        const entries = await reader.receiveMany()
        found.push(...entries.map(({ item }) => item))
        await reader.ackThrough(reader.position)
      }
      await pushing
      expect(found).toEqual(items)
      // More than the disk holds, so that room was freed and taken again.
      expect(items.join('').length).toBeGreaterThan(2 << 20)
      expect((await inspectRing(device)).usedBytes).toBe(0)
    },
  )
})

for (const format of [1, 2] as const) {
  test(`format ${format}: two processes, and a server that is killed again and again`, async (context) => {
    const file = disk()
    let server = await scene.nbdkit(context, 'file', file)
    const uri = server.uri()
    const first = await scene.connect(uri)
    await Producer.create(first, { format })
    await first.disconnect()
    let acknowledged = 0
    for (let life = 0; life < 3; life++) {
      const device = await NbdBlockDevice.open(uri)
      const writer = await RingWriter.open(device, { codec: text })
      await writer.push(`item ${acknowledged}`)
      let isOver = false
      const pushing = pushOn(writer, acknowledged + 1, () => isOver)
      // Killed in the middle of pushing, wherever that is; a read that was under way goes on with the next server.
      for (let reads = 0; reads < 40; reads++) await device.read(0, bytes(512))
      await server.kill()
      server = scene.keep(await startNbdkit(scene.folder, ['file', file]))
      isOver = true
      acknowledged = await pushing
      await writer.close()
      await device.disconnect()
      acknowledged = await countItems(uri, acknowledged)
    }
    const lines = await consumeInAnotherProcess(uri, acknowledged)
    expect(lines).toEqual(Array.from({ length: acknowledged }, (_, item) => `item ${item}`))
    expect(acknowledged).toBeGreaterThanOrEqual(3)
  })

  test(`format ${format}: a write without an answer ends the writer, and attaching again finds what was acknowledged`, async (context) => {
    const file = disk()
    const good = await scene.nbdkit(context, 'file', file)
    const device = await scene.connect(good)
    await Producer.create(device, { format })
    const writer = scene.keep(await RingWriter.open(device, { codec: text }))
    await writer.push('first')
    await writer.close()
    await device.disconnect()
    await good.kill()
    const slow = await startNbdkit(scene.folder, [
      '--filter=delay',
      'file',
      file,
      `delay-write=${NEVER}`,
    ])
    scene.keep(slow)
    const hanging = await scene.connect(slow, { requestTimeoutMs: 300 })
    const late = scene.keep(await openOrUndefined(hanging))
    await slow.kill()
    await late[Symbol.asyncDispose]()
    scene.keep(await startNbdkit(scene.folder, ['file', file]))
    const again = await scene.connect(good)
    const reader = scene.keep(await RingReader.open(again, { codec: text }))
    expect((await reader.receive()).item).toBe('first')
  })
}

/** A writer that pushes once, and fails: when it attaches, if that writes, or when it pushes. */
async function openOrUndefined(device: NbdBlockDevice): Promise<AsyncDisposable> {
  const timeout = expect.objectContaining({ code: 'BLOCK_TIMEOUT' })
  try {
    const writer = await RingWriter.open(device, { codec: text })
    await expect(writer.push('second')).rejects.toEqual(timeout)
    return writer
  } catch (error) {
    expect(isRingError(error)).toBe(false)
    expect(error).toEqual(timeout)
    return device
  }
}

/** All items that are there: those that were acknowledged, and at most one more, whose fate was unknown. */
async function countItems(uri: string, acknowledged: number): Promise<number> {
  await using device = await NbdBlockDevice.open(uri)
  await using reader = await RingReader.open(device, { codec: text })
  let items = 0
  for (
    let entry = await reader.tryReceive();
    entry !== undefined;
    entry = await reader.tryReceive()
  ) {
    expect(entry.item).toBe(`item ${items}`)
    items++
  }
  expect([acknowledged, acknowledged + 1]).toContain(items)
  return items
}

async function consumeInAnotherProcess(uri: string, count: number): Promise<string[]> {
  const consumer = spawn(process.execPath, [child, uri, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(consumer, 'close')
  const lines: string[] = []
  for await (const line of createInterface(consumer.stdout)) lines.push(line)
  expect(await closed).toEqual([0, null])
  return lines
}
