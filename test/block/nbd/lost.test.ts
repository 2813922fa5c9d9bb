import { expect, test } from 'vitest'
import { type FakeRequest, type Peer, startFake } from '../../helpers/fake-nbd.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

function failure(code: string): object {
  return expect.objectContaining({ name: 'BlockError', code })
}

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
