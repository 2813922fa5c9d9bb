import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type FakeRequest, type Peer, startFake } from '../../helpers/fake-nbd.ts'
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

test('a write in flight when the server is killed is of unknown fate; later ones work', async (context) => {
  const file = disk()
  const server = await scene.nbdkit(context, '--filter=delay', 'file', file, `delay-write=${NEVER}`)
  const device = await scene.connect(server)
  const write = expect(device.write(0, bytes(512, 1), { durable: true })).rejects.toMatchObject({
    code: 'BLOCK_LOST',
    message: expect.stringContaining('nobody knows what the device holds now'),
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
  await expect(device.read(0, bytes(512))).rejects.toMatchObject({
    code: 'BLOCK_TIMEOUT',
    message: expect.stringContaining('ECONNREFUSED'),
  })
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
    message: expect.stringContaining('it was 2097152 bytes'),
  })
})

/** A server that keeps what it hears, and answers in the order that the script says. */
async function fake(
  script: (peer: Peer, connection: number) => Promise<void>,
): Promise<{ uri: string; connections(): number }> {
  const path = scene.file('fake.sock')
  const server = scene.keep(await startFake(path, script))
  return { uri: `nbd+unix:///?socket=${path}`, connections: () => server.connections }
}

test('a write is never sent twice', async () => {
  const writes: number[] = []
  const { uri } = await fake(async (peer, connection) => {
    await peer.agree()
    for (;;) {
      const request = await peer.request()
      if (request.type === 1) writes.push(connection)
      if (request.type === 1 && connection === 1) peer.socket.destroy()
      else peer.simple(request)
    }
  })
  const device = await scene.connect(uri)
  await expect(device.write(0, bytes(512))).rejects.toEqual(failure('BLOCK_LOST'))
  await device.flush()
  expect(writes).toEqual([1])
})

test('reads are tried again with pauses that grow', async () => {
  const { uri, connections } = await fake(async (peer) => {
    await peer.agree()
    await peer.request()
    peer.socket.destroy()
  })
  const device = await scene.connect(uri, { requestTimeoutMs: 1000 })
  await expect(device.read(0, bytes(512))).rejects.toMatchObject({
    code: expect.stringMatching(/^BLOCK_(LOST|TIMEOUT)$/),
  })
  // The first, one at once, and then after 10 to 20 ms, 20 to 40, 40 to 80, …: nine at most in a second.
  expect(connections()).toBeGreaterThan(1)
  expect(connections()).toBeLessThan(10)
})

test('many requests share a bounded window, and are answered in any order', async () => {
  const held: FakeRequest[] = []
  let most = 0
  const { uri } = await fake(async (peer) => {
    await peer.agree()
    for (;;) {
      held.push(await peer.request())
      most = Math.max(most, held.length)
      if (held.length < 4) continue
      for (const request of held.splice(0).reverse()) {
        peer.data(request, 0, request.length, request.offset / 512)
      }
    }
  })
  const device = await scene.connect(uri, { maxInFlight: 4 })
  const reads = Array.from({ length: 64 }, async (_, sector) => {
    const found = new Uint8Array(512)
    await device.read(sector, [found])
    return found[511]
  })
  expect(await Promise.all(reads)).toEqual(Array.from({ length: 64 }, (_, sector) => sector))
  expect(most).toBe(4)
})

test('reads ask for one piece, and each request within what the server takes', async () => {
  const lengths: number[] = []
  const { uri } = await fake(async (peer) => {
    await peer.agree({ size: 16 << 20 })
    for (;;) {
      const request = await peer.request()
      if (request.type !== 0) return
      expect(request.flags).toBe(4)
      lengths.push(request.length)
      peer.data(request, 0, request.length, 1)
    }
  })
  const device = await scene.connect(uri)
  await device.read(0, bytes(9 << 20))
  expect(lengths).toEqual([4 << 20, 4 << 20, 1 << 20])
})

test('disconnecting says farewell', async () => {
  const types: number[] = []
  const { uri } = await fake(async (peer) => {
    await peer.agree()
    for (;;) {
      const request = await peer.request()
      types.push(request.type)
      if (request.type === 2) peer.socket.end()
      else peer.simple(request)
    }
  })
  const device = await scene.connect(uri)
  await device.flush()
  await device.disconnect()
  expect(types).toEqual([3, 2])
})
