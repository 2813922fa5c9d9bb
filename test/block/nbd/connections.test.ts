import { expect, test } from 'vitest'
import { startFake } from '../../helpers/fake-nbd.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** Longer than a busy machine takes. */
const PATIENT = { timeout: 30_000 }

test.each([
  [0x01ed, 3],
  [0x00ed, 1],
])('flags %i allow %i connections', async (flags, expected) => {
  const path = scene.file('fake.sock')
  const writers = new Set<number>()
  const fake = scene.keep(
    await startFake(path, async (peer, connection) => {
      await peer.agree({ flags })
      for (;;) {
        const request = await peer.request()
        if (request.type === 1) writers.add(connection)
        // Nothing is answered before all are there.
        while (fake.connections < expected) await new Promise(setImmediate)
        peer.simple(request)
      }
    }),
  )
  const device = await scene.connect(`nbd+unix:///?socket=${path}`, { connections: 3 })
  const writeThree = (): Promise<unknown> =>
    Promise.all(Array.from({ length: 3 }, () => device.write(0, bytes(512))))
  await expect
    .poll(async () => {
      await writeThree()
      return writers.size
    }, PATIENT)
    .toBe(expected)
  expect(fake.connections).toBe(expected)
})

test('a connection that is being made does not outlast the device', async () => {
  const path = scene.file('fake.sock')
  let left = false
  const fake = scene.keep(
    await startFake(path, async (peer, connection) => {
      // To the second client the server says nothing.
      if (connection === 2) {
        await peer.read(1).catch(() => {
          left = true
        })
        return
      }
      await peer.agree({ flags: 0x01ed })
      for (;;) {
        const request = await peer.request()
        while (fake.connections < 2) await new Promise(setImmediate)
        peer.simple(request)
      }
    }),
  )
  const device = await scene.connect(`nbd+unix:///?socket=${path}`, {
    connections: 2,
    connectTimeoutMs: 60_000,
  })
  await Promise.all([device.write(0, bytes(512)), device.write(1, bytes(512))])
  await device.disconnect()
  await expect.poll(() => left, PATIENT).toBe(true)
})
