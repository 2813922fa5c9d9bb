import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startNbdkit } from '../../helpers/nbd-servers.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** Seconds, longer than any test: a server with this delay never answers. */
const NEVER = '300'

function failure(code: string): object {
  return expect.objectContaining({ name: 'BlockError', code })
}

function disk(): string {
  const file = scene.file('disk')
  writeFileSync(file, new Uint8Array(1 << 20))
  return file
}

test('a write in flight when the server is killed is of unknown outcome; later ones work', async (context) => {
  const file = disk()
  const server = await scene.nbdkit(context, '--filter=delay', 'file', file, `delay-write=${NEVER}`)
  const device = await scene.connect(server)
  const write = expect(device.write(0, bytes(512, 1), { durable: true })).rejects.toMatchObject({
    code: 'BLOCK_LOST',
    message: expect.stringContaining('the content of the device is unknown now'),
  })
  await server.kill()
  await write
  scene.keep(await startNbdkit(scene.folder, ['file', file]))
  await device.write(0, bytes(512, 2), { durable: true })
})

test('a read in flight when the server is killed is answered by the next one', async (context) => {
  const file = disk()
  const server = await scene.nbdkit(context, '--filter=delay', 'file', file, `delay-read=${NEVER}`)
  const device = await scene.connect(server)
  await device.write(3, bytes(512, 7), { durable: true })
  const found = new Uint8Array(512)
  const read = device.read(3, [found])
  await server.kill()
  scene.keep(await startNbdkit(scene.folder, ['file', file]))
  await read
  expect(found[0]).toBe(7)
})

test('a server that was restarted while the device was idle is not noticed', async (context) => {
  const file = disk()
  const server = await scene.nbdkit(context, 'file', file)
  const device = await scene.connect(server)
  await device.write(0, bytes(512, 1))
  await device.flush()
  await server.kill()
  scene.keep(await startNbdkit(scene.folder, ['file', file]))
  // A read is sent again; a write is not, should the loss not have come through yet.
  await device.read(0, bytes(512))
  await device.write(1, bytes(512, 1), { durable: true })
  await device.flush()
})

test('writes that were not flushed when the server was lost can never be flushed', async (context) => {
  const file = disk()
  const server = await scene.nbdkit(context, 'file', file)
  const device = await scene.connect(server)
  await device.write(0, bytes(512, 1))
  await server.kill()
  scene.keep(await startNbdkit(scene.folder, ['file', file]))
  await device.read(0, bytes(512))
  await expect(device.flush()).rejects.toThrow(/lost with writes that were not flushed/)
  await expect(device.flush()).rejects.toEqual(failure('BLOCK_LOST'))
  const anew = await scene.connect(server)
  await anew.flush()
})

test('a server that stays away ends reads, writes and disconnecting in time', async (context) => {
  const server = await scene.nbdkit(context, 'memory', '1M')
  const device = await scene.connect(server, { requestTimeoutMs: 300 })
  await server.kill()
  await expect(device.read(0, bytes(512))).rejects.toEqual(failure('BLOCK_TIMEOUT'))
  const outcomes = await Promise.allSettled([
    device.read(0, bytes(512)),
    device.write(0, bytes(512)),
    device.flush(),
    device.disconnect(),
  ])
  expect(outcomes.map(({ status }) => status)).toEqual([
    'rejected',
    'rejected',
    'rejected',
    'fulfilled',
  ])
})

test('another export at the same place is refused', async (context) => {
  const server = await scene.nbdkit(context, 'memory', '2M')
  const device = await scene.connect(server)
  await server.kill()
  scene.keep(await startNbdkit(scene.folder, ['memory', '1M']))
  await expect(device.read(0, bytes(512))).rejects.toMatchObject({
    code: 'BLOCK_UNSUPPORTED',
    message: expect.stringContaining('expected 2097152 bytes'),
  })
})
