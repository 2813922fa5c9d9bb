import { expect, test } from 'vitest'
import { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { memoryNbd } from '../../helpers/memory-nbd.ts'
import { bytes } from './scene.ts'

const URI = 'nbd://memory/'

test('a client with a given stream and clock uses no others', async () => {
  const clock = new FakeClock()
  const server = memoryNbd(async (peer, connection) => {
    await peer.agree()
    for (;;) {
      const request = await peer.request()
      // The first connection is silent; the second one answers.
      if (connection === 2 && request.type === 0) peer.data(request, 0, request.length, 7)
      else if (connection === 2) peer.simple(request)
    }
  })
  const device = await NbdBlockDevice.open(URI, { dial: server.dial, clock, random: () => 0 })
  const late = expect(device.write(0, bytes(512))).rejects.toMatchObject({ code: 'BLOCK_TIMEOUT' })
  await clock.advance(29_999)
  expect(server.connections).toBe(1)
  await clock.advance(1)
  await late
  const found = new Uint8Array(512)
  await device.read(0, [found])
  expect(found[511]).toBe(7)
  expect(server.connections).toBe(2)
  const left = device.disconnect()
  await clock.advance(1000)
  await left
})

test('a stream that does not come in time is given up, and closed if it comes later', async () => {
  const clock = new FakeClock()
  let destroyed = 0
  let come: () => void = () => undefined
  const connecting = NbdBlockDevice.open(URI, {
    clock,
    dial: () =>
      new Promise((resolve) => {
        come = () =>
          resolve({
            send: () => undefined,
            keepAlive: () => undefined,
            startTls: async () => undefined,
            end: () => undefined,
            destroy: () => destroyed++,
          })
      }),
  })
  const refused = expect(connecting).rejects.toMatchObject({
    code: 'BLOCK_OPEN',
    message: expect.stringContaining('no connection within 10000 ms'),
  })
  await clock.advance(10_000)
  await refused
  come()
  await clock.settle()
  expect(destroyed).toBe(1)
})
