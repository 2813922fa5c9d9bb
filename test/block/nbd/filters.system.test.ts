import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import { HINTS, isRead, KINDS, type Kind, REQUESTS } from './requests.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** Seconds, longer than any test: a server with this delay never answers. */
const NEVER = '300'

const OPEN = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_OPEN' })
const TIMEOUT = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_TIMEOUT' })

/** What the filters of nbdkit call the kinds of requests that they can fail and delay. */
const OF_NBDKIT: readonly (readonly [Kind, error: string, delay: string])[] = [
  ['read', 'pread', 'read'],
  ['write', 'pwrite', 'write'],
  ['write-zeroes', 'zero', 'zero'],
  ['discard', 'trim', 'trim'],
  ['block-status', 'extents', 'extents'],
]

describe.each(OF_NBDKIT.filter(([kind]) => !HINTS.includes(kind)))('%s', (kind, error) => {
  test('fails while the server says so, and nothing else does', async (context) => {
    const trigger = scene.file('trigger')
    const device = await scene.connect(
      await scene.nbdkit(
        context,
        '--filter=error',
        'memory',
        '1M',
        `error-${error}=EIO`,
        `error-${error}-rate=100%`,
        `error-${error}-file=${trigger}`,
      ),
    )
    await REQUESTS[kind](device)
    writeFileSync(trigger, '')
    for (const other of KINDS) {
      if (other !== kind) await REQUESTS[other](device)
    }
    const failure = expect(REQUESTS[kind](device)).rejects
    await failure.toMatchObject({
      code: 'BLOCK_IO',
      message: expect.stringContaining(
        isRead(kind) ? 'the server answered EIO' : 'the content of the device is unknown now',
      ),
      cause: { code: 'EIO' },
    })
    rmSync(trigger)
    await REQUESTS[kind](device)
  })
})

describe.each(OF_NBDKIT)('%s', (kind, _error, delay) => {
  test('ends in time without an answer', async (context) => {
    const device = await scene.connect(
      await scene.nbdkit(context, '--filter=delay', 'memory', '1M', `delay-${delay}=${NEVER}`),
      { requestTimeoutMs: 3000 },
    )
    await expect(REQUESTS[kind](device)).rejects.toEqual(TIMEOUT)
    for (const other of KINDS) {
      if (other !== kind) await REQUESTS[other](device)
    }
  })
})

test('a server that never opens the export ends in a timeout', async (context) => {
  const server = await scene.nbdkit(
    context,
    '--filter=delay',
    'memory',
    '1M',
    `delay-open=${NEVER}`,
  )
  await expect(scene.connect(server, { connectTimeoutMs: 300 })).rejects.toEqual(OPEN)
})

test('a server that never closes the export does not hang disconnect', async (context) => {
  const device = await scene.connect(
    await scene.nbdkit(context, '--filter=delay', 'memory', '1M', `delay-close=${NEVER}`),
  )
  await device.write(0, bytes(512), { durable: true })
  await device.disconnect()
})

test.for(['retry', 'retry-request'])(
  'a server that retries by itself works, with %s',
  async (filter, context) => {
    const trigger = scene.file('trigger')
    const log = scene.file('log')
    const device = await scene.connect(
      await scene.nbdkit(
        context,
        `--filter=${filter}`,
        '--filter=log',
        '--filter=error',
        'memory',
        '1M',
        filter === 'retry' ? 'retries=1' : 'retry-request-retries=1',
        filter === 'retry' ? 'retry-delay=1' : 'retry-request-delay=1',
        `logfile=${log}`,
        'error-rate=100%',
        `error-file=${trigger}`,
      ),
    )
    const attempts = (): number => (readFileSync(log, 'utf8').match(/ Write /g) ?? []).length
    writeFileSync(trigger, '')
    await expect(device.write(0, bytes(512, 1))).rejects.toMatchObject({ code: 'BLOCK_IO' })
    expect(attempts()).toBe(2)
    rmSync(trigger)
    await device.write(0, bytes(512, 1))
    expect(attempts()).toBe(3)
  },
)

test('a server that ends lets its clients finish, and nobody else in', async (context) => {
  const stop = scene.file('stop')
  const server = await scene.nbdkit(
    context,
    '--filter=exitwhen',
    'memory',
    '1M',
    `exit-when-file-created=${stop}`,
    'exit-when-poll=1',
  )
  const device = await scene.connect(server)
  writeFileSync(stop, '')
  await device.write(0, bytes(512, 1), { durable: true })
  await expect(scene.connect(server)).rejects.toEqual(OPEN)
  await device.read(0, bytes(512))
  await device.disconnect()
  // With its last client gone it may have ended by itself before the scene ends it, and is no failure then.
  await server.kill()
})

test('a server that exits with its last client is no error', async (context) => {
  const server = await scene.nbdkit(context, '--filter=exitlast', 'memory', '1M')
  const device = await scene.connect(server)
  const other = await scene.connect(server)
  await other.disconnect()
  await device.write(0, bytes(512, 1), { durable: true })
  await device.disconnect()
  const connectAndLeave = async (): Promise<unknown> => {
    await using late = await NbdBlockDevice.open(server.uri())
    return late.getInfo()
  }
  await expect
    .poll(() => connectAndLeave().catch((error: unknown) => error), { timeout: 10_000 })
    .toEqual(OPEN)
  // That it ended by itself is what was asked for, and no failure of the scene.
  await server.kill()
})

test('a server that refuses this client is reported', async (context) => {
  const server = await scene.nbdkit(context, '--filter=ip', 'memory', '1M', 'deny=all')
  await expect(scene.connect(server)).rejects.toEqual(OPEN)
})

test('a full disk is reported', async (context) => {
  const device = await scene.connect(await scene.nbdkit(context, 'full', '1M'), {
    durability: 'none',
  })
  await expect(device.write(0, bytes(512, 1))).rejects.toMatchObject({
    code: 'BLOCK_IO',
    cause: { code: 'ENOSPC' },
  })
  await device.read(0, bytes(512))
})

test.for(['emulate', 'native', 'force'])(
  'a durable write works with FUA of mode %s',
  async (mode, context) => {
    const log = scene.file('log')
    const server = await scene.nbdkit(
      context,
      '--filter=fua',
      '--filter=log',
      'memory',
      '1M',
      `fuamode=${mode}`,
      `logfile=${log}`,
    )
    const device = await scene.connect(server)
    expect(device.durability).toBe('fua')
    await device.write(0, bytes(512), { durable: true })
    // What comes to the disk behind the filter.
    expect(readFileSync(log, 'utf8')).toMatch(/ Write .*fua=1| Write .*\n(.*\n)*.* Flush /)
  },
)

describe('the handshake', () => {
  test.for(['0', '1', '2', '3'])('flags of the server: %s', async (mask, context) => {
    const server = await scene.nbdkit(context, `--mask-handshake=${mask}`, 'memory', '1M')
    const device = await scene.connect(server)
    await device.write(8, bytes(4096, 3), { durable: true })
    const found = new Uint8Array(4096)
    await device.read(8, [found])
    expect(found.every((byte) => byte === 3)).toBe(true)
    expect((await device.getInfo()).sizeSectors).toBe(2048)
  })

  test('the old style is refused', async (context) => {
    const server = await scene.nbdkit(context, '--oldstyle', 'memory', '1M')
    await expect(scene.connect(server)).rejects.toMatchObject({ code: 'BLOCK_UNSUPPORTED' })
  })
})

test('zeroes keep their space, what is discarded does not, and both in pieces that the server takes', async (context) => {
  const log = scene.file('log')
  const server = await scene.nbdkit(
    context,
    '--filter=log',
    '--filter=blocksize-policy',
    'memory',
    '4M',
    `logfile=${log}`,
    'blocksize-minimum=512',
    'blocksize-preferred=4096',
    'blocksize-maximum=1M',
    'blocksize-error-policy=error',
  )
  const device = await scene.connect(server)
  await device.writeZeroes(0, 4096, { durable: true })
  await device.discard(4096, 4096)
  expect(await device.seekMapped(0)).toBe(8192)
  const trace = readFileSync(log, 'utf8')
  expect(trace.match(/ Zero .*count=0x100000 trim=0 /g)).toHaveLength(2)
  expect(trace.match(/ Trim .*count=0x100000 /g)).toHaveLength(2)
  expect(trace).not.toMatch(/ Extents .*count=0x[2-9]00000 /)
})

test('sectors larger than any request are refused', async (context) => {
  const server = await scene.nbdkit(
    context,
    '--filter=blocksize-policy',
    'memory',
    '1M',
    'blocksize-minimum=512',
    'blocksize-preferred=4096',
    'blocksize-maximum=32K',
  )
  await expect(scene.connect(server, { sectorSize: 65536 })).rejects.toThrow(
    /fit its server's largest request of 32768 bytes, but have 65536/,
  )
})
