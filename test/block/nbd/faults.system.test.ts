import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, type TestContext, test } from 'vitest'
import type { NbdBlockDevice, NbdBlockDeviceOptions } from '../../../src/block/nbd/index.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** Seconds, longer than any test: a server with this delay never answers. */
const NEVER = '300'

/** A device of 1 MiB behind these filters of nbdkit. */
async function filtered(
  context: TestContext,
  filters: readonly string[],
  parameters: readonly string[],
  options?: NbdBlockDeviceOptions,
): Promise<NbdBlockDevice> {
  const flags = filters.map((name) => `--filter=${name}`)
  return scene.connect(
    await scene.nbdkit(context, ...flags, 'memory', '1M', ...parameters),
    options,
  )
}

function failure(code: string, cause?: string): object {
  return expect.objectContaining({
    name: 'BlockError',
    code,
    ...(cause !== undefined && { cause: expect.objectContaining({ code: cause }) }),
  })
}

const UNKNOWN = /the content of the device is unknown now/

for (const error of ['EIO', 'ENOSPC', 'EPERM', 'ENOMEM', 'EINVAL', 'ESHUTDOWN']) {
  test(`a server that answers ${error} to everything`, async (context) => {
    const device = await filtered(context, ['error'], [`error=${error}`, 'error-rate=100%'])
    const forWrites = failure(error === 'ESHUTDOWN' ? 'BLOCK_FENCED' : 'BLOCK_IO', error)
    await expect(device.read(0, bytes(512))).rejects.toEqual(failure('BLOCK_IO', error))
    await expect(device.write(0, bytes(512))).rejects.toEqual(forWrites)
    await expect(device.write(0, bytes(512), { durable: true })).rejects.toThrow(UNKNOWN)
    await expect(device.writeZeroes(0, 8)).rejects.toEqual(forWrites)
    await expect(device.discard(0, 8)).rejects.toEqual(forWrites)
    // A hint: where nothing can be told, everything counts as data. But for who was shut out, nothing goes on.
    const hint = device.seekMapped(0).catch((refused: unknown) => refused)
    expect(await hint).toEqual(error === 'ESHUTDOWN' ? failure('BLOCK_IO', error) : 0)
  })
}

test('an error for some requests leaves the connection as it is', async (context) => {
  const trigger = scene.file('trigger')
  const device = await filtered(
    context,
    ['error'],
    ['error-pwrite=EIO', 'error-pwrite-rate=100%', `error-pwrite-file=${trigger}`],
  )
  await device.write(0, bytes(4096, 1))
  writeFileSync(trigger, '')
  await expect(device.write(8, bytes(4096, 2))).rejects.toMatchObject({
    code: 'BLOCK_IO',
    details: { sector: 8, sectors: 8 },
  })
  rmSync(trigger)
  await device.write(8, bytes(4096, 3))
  const [found] = bytes(512) as [Uint8Array]
  await device.read(8, [found])
  expect(found[0]).toBe(3)
})

test('a flush that failed fails forever, because the server may have lost the data', async (context) => {
  const server = await scene.nbdkit(
    context,
    'eval',
    'get_size=echo 1M',
    'can_write=exit 0',
    'can_flush=exit 0',
    'pread=dd if=/dev/zero bs=1 count=$3 status=none',
    'pwrite=cat >/dev/null',
    `flush=if [ -e ${scene.file('failed')} ]; then exit 0; fi; touch ${scene.file('failed')}; echo EIO >&2; exit 1`,
  )
  const device = await scene.connect(server, { durability: 'flush' })
  await device.write(0, bytes(512))
  await expect(device.flush()).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
  await expect(device.flush()).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
  await expect(device.write(0, bytes(512), { durable: true })).rejects.toThrow(UNKNOWN)
  await device.read(0, bytes(512))
})

test('a write that was done in part is an error', async (context) => {
  const file = scene.file('disk')
  writeFileSync(file, new Uint8Array(1 << 16))
  const server = await scene.nbdkit(
    context,
    'eval',
    'get_size=echo 64K',
    'can_write=exit 0',
    'can_flush=exit 0',
    'can_fua=echo native',
    `pread=dd if=${file} bs=1 skip=$4 count=$3 status=none`,
    `pwrite=head -c 512 | dd of=${file} bs=512 seek=$(($4/512)) conv=notrunc status=none; echo EIO torn >&2; exit 1`,
    'flush=exit 0',
  )
  const device = await scene.connect(server)
  await expect(device.write(2, bytes(1024, 9), { durable: true })).rejects.toThrow(UNKNOWN)
  const found = new Uint8Array(1024)
  await device.read(2, [found])
  expect([found[0], found[511], found[512]]).toEqual([9, 9, 0])
})

test('a request without an answer ends in time, and a read on another connection continues', async (context) => {
  const device = await filtered(context, ['delay'], [`delay-write=${NEVER}`], {
    requestTimeoutMs: 3000,
  })
  await expect(device.write(0, bytes(512))).rejects.toEqual(failure('BLOCK_TIMEOUT'))
  await expect(device.writeZeroes(0, 1)).resolves.toBeUndefined()
  await device.read(0, bytes(512))
})

test('a read without an answer ends in time', async (context) => {
  const device = await filtered(context, ['delay'], [`delay-read=${NEVER}`], {
    requestTimeoutMs: 3000,
  })
  await expect(device.read(0, bytes(512))).rejects.toEqual(failure('BLOCK_TIMEOUT'))
})

test('a write to sectors that the server protects is an error', async (context) => {
  const device = await filtered(context, ['protect'], ['protect=0-4095'])
  await expect(device.write(0, bytes(4096, 1))).rejects.toEqual(failure('BLOCK_IO', 'EPERM'))
  await device.write(8, bytes(4096, 1))
})

test('a read-only export is a read-only device', async (context) => {
  const server = await scene.nbdkit(context, '-r', 'memory', '1M')
  const device = await scene.connect(server)
  expect((await device.getInfo()).readWrite).toBe(false)
  await expect(device.write(0, bytes(512))).rejects.toEqual(failure('BLOCK_READ_ONLY'))
  await device.flush()
  await expect(scene.connect(server, { mode: 'read-write' })).rejects.toEqual(
    failure('BLOCK_READ_ONLY'),
  )
})

test('a server with blocks of 4096 bytes gets whole ones, and smaller sectors are refused', async (context) => {
  const log = scene.file('log')
  const server = await scene.nbdkit(
    context,
    '--filter=log',
    '--filter=blocksize-policy',
    'memory',
    '8M',
    `logfile=${log}`,
    'blocksize-minimum=4096',
    'blocksize-preferred=4096',
    'blocksize-maximum=64K',
    'blocksize-error-policy=error',
  )
  const device = await scene.connect(server)
  expect((await device.getInfo()).sectorSize).toBe(4096)
  await device.write(0, bytes(192 << 10, 1), { durable: true })
  const found = new Uint8Array(192 << 10)
  await device.read(0, [found])
  expect(found.every((byte) => byte === 1)).toBe(true)
  const trace = readFileSync(log, 'utf8')
  expect(trace.match(/ Write .*count=0x10000 /g)).toHaveLength(3)
  expect(trace.match(/ Flush /g)?.length).toBeGreaterThan(0)
  await expect(scene.connect(server, { sectorSize: 512 })).rejects.toThrow(
    /multiple of its server's smallest block of 4096 bytes, not 512/,
  )
})

test('a durable write is one request with FUA, or a write and a flush', async (context) => {
  const log = scene.file('log')
  const device = await filtered(context, ['log'], [`logfile=${log}`])
  expect(device.durability).toBe('fua')
  await device.write(0, bytes(512), { durable: true })
  expect(readFileSync(log, 'utf8')).toMatch(/ Write .*fua=1/)
  expect(readFileSync(log, 'utf8')).not.toMatch(/ Flush /)
  const server = await scene.nbdkit(
    context,
    '--filter=log',
    '--filter=fua',
    'memory',
    '1M',
    `logfile=${log}`,
  )
  const without = await scene.connect(server)
  expect(without.durability).toBe('flush')
  await without.write(0, bytes(512), { durable: true })
  expect(readFileSync(log, 'utf8')).toMatch(/ Write .*fua=0.*\n(.*\n)* *.* Flush /)
})

test('a server without flush is refused, unless durability does not matter', async (context) => {
  const server = await scene.nbdkit(
    context,
    'eval',
    'get_size=echo 64K',
    'can_write=exit 0',
    'pread=dd if=/dev/zero bs=1 count=$3 status=none',
    'pwrite=cat >/dev/null',
  )
  await expect(scene.connect(server)).rejects.toEqual(failure('BLOCK_UNSUPPORTED'))
  const reading = await scene.connect(server, { mode: 'read-only' })
  await reading.read(0, bytes(512))
  const scratch = await scene.connect(server, { durability: 'none' })
  await scratch.write(0, bytes(512), { durable: true })
  await scratch.flush()
})

test('a server that takes one client only is reported', async (context) => {
  const server = await scene.nbdkit(context, '--filter=limit', 'memory', '1M', 'limit=1')
  await scene.connect(server)
  await expect(scene.connect(server)).rejects.toEqual(failure('BLOCK_OPEN'))
})
