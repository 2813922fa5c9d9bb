import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, type TestContext, test } from 'vitest'
import { text } from '../../../src/codec/index.ts'
import { Producer } from '../../../src/ring/access/attach.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import type { NbdServer } from '../../helpers/nbd-servers.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** The time limit of requests that stall. */
const SHORT = { requestTimeoutMs: 2500 }

const TIMEOUT = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_TIMEOUT' })
const LOST = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_LOST' })

/** A server of a file of 1 MiB that can be stopped: it still takes connections and requests, and answers none. */
interface Pausable {
  readonly server: NbdServer
  pause(): Promise<void>
  resume(): Promise<void>
  /** What went through to the file, and when clients came and left. */
  log(): string
}

async function pausable(context: TestContext): Promise<Pausable> {
  const disk = scene.file('disk')
  writeFileSync(disk, new Uint8Array(1 << 20))
  const server = await scene.nbdkit(
    context,
    '--filter=pause',
    '--filter=log',
    'file',
    disk,
    `pause-control=${scene.file('control')}`,
    `logfile=${scene.file('log')}`,
  )
  const control = connect({ path: scene.file('control') })
  scene.keep({ [Symbol.asyncDispose]: async () => void control.destroy() })
  await once(control, 'connect')
  const command = async (letter: string): Promise<void> => {
    control.write(letter)
    const [answer] = await once(control, 'data')
    expect(String(answer)).toBe(letter.toUpperCase())
  }
  return {
    server,
    pause: () => command('p'),
    resume: () => command('r'),
    log: () => readFileSync(scene.file('log'), 'utf8'),
  }
}

/** Waits until all that a client asked for on its first connection was done, answered or not. */
async function untilDone({ log }: Pausable): Promise<void> {
  await expect.poll(log, { timeout: 20_000 }).toMatch(/ connection=1 Disconnect /)
}

test('a short stall is waited for', async (context) => {
  const stalling = await pausable(context)
  const device = await scene.connect(stalling.server)
  await stalling.pause()
  const found = new Uint8Array(512)
  const requests = [device.write(0, bytes(512, 3), { durable: true }), device.read(8, [found])]
  // Another client's time limit: by then the requests of the first have come, and wait.
  const other = await scene.connect(stalling.server, SHORT)
  await expect(other.read(0, bytes(512))).rejects.toEqual(TIMEOUT)
  expect(stalling.log()).not.toMatch(/ (Write|Read) /)
  await stalling.resume()
  await Promise.all(requests)
  await device.read(0, [found])
  expect(found[0]).toBe(3)
  expect(stalling.log()).not.toMatch(/ connection=1 Disconnect /)
})

test('reads that stall end in time, and recover with a new connection', async (context) => {
  const stalling = await pausable(context)
  const device = await scene.connect(stalling.server, SHORT)
  await device.write(3, bytes(512, 7), { durable: true })
  await stalling.pause()
  await expect(device.read(3, bytes(512))).rejects.toEqual(TIMEOUT)
  await expect(device.seekMapped(0)).rejects.toEqual(TIMEOUT)
  await stalling.resume()
  const found = new Uint8Array(512)
  await device.read(3, [found])
  expect(found[0]).toBe(7)
  expect(stalling.log()).toMatch(/ connection=3 Read /)
})

test('a write that stalls is of unknown outcome: it may still be done later', async (context) => {
  const stalling = await pausable(context)
  const device = await scene.connect(stalling.server, SHORT)
  await stalling.pause()
  await expect(device.write(0, bytes(512, 5), { durable: true })).rejects.toMatchObject({
    code: 'BLOCK_TIMEOUT',
    message: expect.stringContaining('the content of the device is unknown now'),
  })
  await stalling.resume()
  await untilDone(stalling)
  const found = new Uint8Array(512)
  await device.read(0, [found])
  expect(found[0]).toBe(5)
  await device.write(0, bytes(512, 6), { durable: true })
  expect(stalling.log().match(/ Write /g)).toHaveLength(2)
})

test('a write that stalls leaves earlier unflushed ones in doubt', async (context) => {
  const stalling = await pausable(context)
  const device = await scene.connect(stalling.server, SHORT)
  await device.write(0, bytes(512, 1))
  await stalling.pause()
  await expect(device.write(8, bytes(512, 1))).rejects.toEqual(TIMEOUT)
  await stalling.resume()
  await device.read(0, bytes(512))
  await expect(device.flush()).rejects.toEqual(LOST)
  await (await scene.connect(stalling.server)).flush()
})

/** A push is a write then. Otherwise it may begin with a read, after which nothing is of unknown outcome. */
const NEVER_LOOKS = {
  idleRefreshIntervalMs: Number.POSITIVE_INFINITY,
  refreshIntervalMs: Number.POSITIVE_INFINITY,
}

for (const format of [1, 2] as const) {
  test(`format ${format}: a push that stalls ends the writer, and attaching again continues`, async (context) => {
    const stalling = await pausable(context)
    const device = await scene.connect(stalling.server, SHORT)
    await Producer.create(device, { format })
    const writer = scene.keep(await RingWriter.open(device, { codec: text, ...NEVER_LOOKS }))
    await writer.push('first')
    await stalling.pause()
    await expect(writer.push('second')).rejects.toEqual(TIMEOUT)
    await expect(writer.push('more')).rejects.toMatchObject({ code: 'RING_POISONED' })
    await writer.close()
    await stalling.resume()
    await untilDone(stalling)
    const again = await scene.connect(stalling.server)
    const next = scene.keep(await RingWriter.open(again, { codec: text }))
    await next.push('third')
    const reader = scene.keep(await RingReader.open(again, { codec: text }))
    const items = [(await reader.receive()).item, (await reader.receive()).item]
    if (items[1] === 'second') items.splice(1, 1, (await reader.receive()).item)
    expect(items).toEqual(['first', 'third'])
    expect(await reader.tryReceive()).toBeUndefined()
  })

  test(`format ${format}: a push that stalls before it has written anything can be done again`, async (context) => {
    const stalling = await pausable(context)
    const device = await scene.connect(stalling.server, SHORT)
    await Producer.create(device, { format })
    const looks = { ...NEVER_LOOKS, refreshIntervalMs: 0 }
    const writer = scene.keep(await RingWriter.open(device, { codec: text, ...looks }))
    await stalling.pause()
    await expect(writer.push('first')).rejects.toEqual(TIMEOUT)
    await stalling.resume()
    await writer.push('second')
    const reader = scene.keep(await RingReader.open(device, { codec: text }))
    expect((await reader.receive()).item).toBe('second')
  })

  test(`format ${format}: a consumer that was told of a stall continues after it`, async (context) => {
    const stalling = await pausable(context)
    const device = await scene.connect(stalling.server, SHORT)
    await Producer.create(device, { format })
    await using writer = await RingWriter.open(await scene.connect(stalling.server), {
      codec: text,
    })
    const reader = scene.keep(await RingReader.open(device, { codec: text }))
    await writer.push('first')
    await stalling.pause()
    await expect(reader.receive()).rejects.toEqual(TIMEOUT)
    await stalling.resume()
    expect((await reader.receive()).item).toBe('first')
    await writer.push('second')
    expect((await reader.receive()).item).toBe('second')
  })
}
