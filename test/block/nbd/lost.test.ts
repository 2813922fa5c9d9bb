import { describe, expect, test } from 'vitest'
import { NbdBlockDevice, type NbdDial } from '../../../src/block/nbd/index.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { type FakeRequest, type Peer, startFake } from '../../helpers/fake-nbd.ts'
import { memoryNbd } from '../../helpers/memory-nbd.ts'
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

describe('a read whose connection is lost again and again', () => {
  /** When connections were made, for as long as a read may take. */
  async function connectionTimes(
    random: number,
    isRefused: boolean,
  ): Promise<{ times: number[]; read: Promise<void> }> {
    const clock = new FakeClock()
    const times: number[] = []
    const server = memoryNbd(async (peer) => {
      await peer.agree()
      await peer.request()
      peer.socket.destroy()
    })
    const dial: NbdDial = (...args) => {
      times.push(clock.now())
      if (isRefused && times.length > 1) throw new Error('nobody is there')
      return server.dial(...args)
    }
    const options = { dial, clock, random: () => random, requestTimeoutMs: 3000 }
    const device = await NbdBlockDevice.open('nbd://memory/', options)
    const read = device.read(0, bytes(512))
    read.catch(() => undefined)
    await clock.advance(3000)
    return { times, read }
  }

  test('is sent again with pauses that grow', async () => {
    const { times, read } = await connectionTimes(1, false)
    expect(times).toEqual([0, 0, 20, 60, 140, 300, 620, 1260, 2540])
    await expect(read).rejects.toMatchObject({ code: 'BLOCK_TIMEOUT' })
  })

  test('waits for half of them at least', async () => {
    const { times } = await connectionTimes(0, false)
    expect(times.slice(0, 6)).toEqual([0, 0, 10, 30, 70, 150])
  })

  test('fails with the reason why there was no connection', async () => {
    const { times, read } = await connectionTimes(1, true)
    expect(times.length).toBeGreaterThan(5)
    await expect(read).rejects.toMatchObject({
      code: 'BLOCK_TIMEOUT',
      message: expect.stringContaining('at last because nobody is there'),
    })
  })
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
  const MiB = 1 << 20
  const asked: FakeRequest[] = []
  const { uri } = await fake(async (peer) => {
    await peer.agree({ size: 32 * MiB, maximum: MiB })
    for (;;) {
      const request = await peer.request()
      if (request.type !== 0) return
      expect(request.flags).toBe(4)
      asked.push(request)
      peer.data(request, 0, request.length, 1)
    }
  })
  const device = await scene.connect(uri)
  await device.read(0, bytes(31 * MiB))
  const lengths = asked.map(({ length }) => length)
  expect(Math.max(...lengths)).toBe(MiB)
  let end = 0
  for (const { offset, length } of asked) {
    expect(offset).toBe(end)
    end += length
  }
  expect(end).toBe(31 * MiB)
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
