import { describe, expect, test } from 'vitest'
import {
  NbdBlockDevice,
  type NbdBlockDeviceOptions,
  type NbdDial,
} from '../../../src/block/nbd/index.ts'
import { TYPE } from '../../helpers/caching-nbd.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { type FakeRequest, MULTI_CONN_FLAGS, type Peer, pack } from '../../helpers/fake-nbd.ts'
import { type MemoryNbd, memoryNbd } from '../../helpers/memory-nbd.ts'
import { bytes } from './scene.ts'

const PIECE = 16 << 10
const EIO = 5
const ESHUTDOWN = 108

/** A device whose server takes 16 KiB at most in a request, and answers like this. */
async function answeredBy(
  answer: (peer: Peer, request: FakeRequest, connection: number) => void,
  options: NbdBlockDeviceOptions = {},
): Promise<{ clock: FakeClock; server: MemoryNbd; device: NbdBlockDevice }> {
  const clock = new FakeClock()
  const server = memoryNbd(async (peer, connection) => {
    await peer.agree({ maximum: PIECE, flags: MULTI_CONN_FLAGS })
    for (;;) answer(peer, await peer.request(), connection)
  })
  const { dial } = server
  const device = await NbdBlockDevice.open('nbd://memory/', { dial, clock, ...options })
  return { clock, server, device }
}

/** Zeroes that are refused with anything else are written. */
function refuse(peer: Peer, request: FakeRequest): void {
  if (request.type === TYPE.read) peer.chunk(request, 0x8001, pack([4, EIO], [2, 0]))
  else peer.simple(request, request.type === TYPE.zeroes ? ESHUTDOWN : EIO)
}

/** What has become of a promise. */
function watch(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false }
  promise
    .finally(() => {
      state.settled = true
    })
    .catch(() => undefined)
  return state
}

describe('a large read that is rejected leaves the memory alone from then on', () => {
  test.each([1, 2])('if one piece is refused, over %i connections', async (connections) => {
    const held: (() => void)[] = []
    const { clock, device } = await answeredBy(
      (peer, request) => {
        if (request.offset === 0) refuse(peer, request)
        else held.push(() => peer.data(request, 0, request.length, 7))
      },
      { connections },
    )
    const memory = new Uint8Array(8 * PIECE)
    const read = device.read(0, [memory])
    const state = watch(read)
    await clock.settle()
    // Whose memory it is depends on the answers that are on their way.
    expect(held.length).toBeGreaterThan(0)
    expect(state.settled).toBe(false)
    const inFlight = held.splice(0)
    for (const answer of inFlight) answer()
    await expect(read).rejects.toMatchObject({ code: 'BLOCK_IO' })
    memory.fill(1)
    await clock.advance(60_000)
    expect(held).toEqual([])
    expect(memory.every((byte) => byte === 1)).toBe(true)
  })

  test('if the answers come too late', async () => {
    const held: (() => void)[] = []
    const { clock, device } = await answeredBy((peer, request) => {
      held.push(() => peer.data(request, 0, request.length, 7))
    })
    const memory = new Uint8Array(8 * PIECE)
    const read = expect(device.read(0, [memory])).rejects.toMatchObject({ code: 'BLOCK_TIMEOUT' })
    await clock.advance(30_000)
    await read
    memory.fill(1)
    for (const answer of held) answer()
    await clock.advance(60_000)
    expect(memory.every((byte) => byte === 1)).toBe(true)
  })
})

/** Large calls of several pieces. */
const CALLS: readonly (readonly [string, number, (device: NbdBlockDevice) => Promise<void>])[] = [
  ['write', TYPE.write, (device) => device.write(0, bytes(8 * PIECE))],
  ['durable write', TYPE.write, (device) => device.write(0, bytes(8 * PIECE), { durable: true })],
  ['writeZeroes', TYPE.zeroes, (device) => device.writeZeroes(0, (8 * PIECE) / 512)],
  ['discard', TYPE.trim, (device) => device.discard(0, (8 * PIECE) / 512)],
]

describe.each(CALLS)('a %s that is rejected sends no further piece', (_, type, call) => {
  test.each([
    { maxInFlight: 1, sent: 1 },
    { maxInFlight: 64, sent: 4 },
  ])('with at most $maxInFlight requests on their way', async ({ maxInFlight, sent }) => {
    const seen: FakeRequest[] = []
    const { clock, device } = await answeredBy(
      async (peer, request) => {
        seen.push(request)
        // Those that came with it are there, too.
        await clock.settle()
        if (request.type !== type) peer.data(request, 0, request.length, 1)
        else if (request.offset === 0) refuse(peer, request)
        else setImmediate(() => peer.simple(request))
      },
      { maxInFlight },
    )
    const code = type === TYPE.zeroes ? 'BLOCK_FENCED' : 'BLOCK_IO'
    await expect(call(device)).rejects.toMatchObject({ code })
    await device.read(0, bytes(512))
    await clock.advance(60_000)
    expect(seen.map((request) => request.type)).toEqual([...Array(sent).fill(type), TYPE.read])
  })

  test('over the connection that replaces a lost one', async () => {
    const seen: { connection: number; type: number }[] = []
    const { clock, device } = await answeredBy(
      (peer, request, connection) => {
        seen.push({ connection, type: request.type })
        if (connection === 1) peer.socket.destroy()
        else peer.data(request, 0, request.length, 1)
      },
      { maxInFlight: 2 },
    )
    await expect(call(device)).rejects.toMatchObject({ code: 'BLOCK_LOST' })
    const read = device.read(0, bytes(512))
    await clock.advance(60_000)
    await read
    expect(seen.filter(({ connection }) => connection > 1)).toEqual([
      { connection: 2, type: TYPE.read },
    ])
  })
})

describe('once disconnect has resolved, nothing more is sent', () => {
  test('of large calls that were under way', async () => {
    let sent = 0
    const { clock, device } = await answeredBy((peer, request) => {
      sent++
      if (request.type === TYPE.disconnect) peer.socket.destroy()
      else setImmediate(() => peer.simple(request))
    })
    const writes = CALLS.map(([, , call]) => call(device))
    const left = device.disconnect()
    await left
    const before = sent
    await Promise.all(writes)
    await clock.advance(60_000)
    expect(sent).toBe(before)
  })

  test('over connections that were being made', async () => {
    const clock = new FakeClock()
    const left: number[] = []
    const server = memoryNbd(async (peer, connection) => {
      if (connection > 1) {
        // It says nothing for a while, and hears nothing until the client has left.
        await peer.read(1).catch(() => left.push(connection))
        return
      }
      await peer.agree({ flags: MULTI_CONN_FLAGS })
      for (;;) {
        const request = await peer.request()
        if (request.type === TYPE.disconnect) peer.socket.destroy()
        else void clock.sleep(1000).then(() => peer.simple(request))
      }
    })
    const options = { dial: server.dial, clock, connections: 4 }
    const device = await NbdBlockDevice.open('nbd://memory/', options)
    const writes = [0, 1, 2, 3].map((sector) => device.write(sector, bytes(512)))
    await clock.advance(1000)
    await Promise.all(writes)
    expect(left).toEqual([])
    const disconnected = watch(device.disconnect())
    await clock.settle()
    expect(disconnected.settled).toBe(true)
    expect(left.sort()).toEqual([2, 3, 4])
    await clock.advance(60_000)
    expect(server.connections).toBe(4)
  })

  test('over a connection that is being made, at any stage', async () => {
    const CHUNKS = 12
    const MICROTASKS = 12
    let cut = 0
    let left = 0
    for (let moment = 0; moment < CHUNKS * MICROTASKS; moment++) {
      const peers: Peer[] = []
      const server = memoryNbd(async (peer) => {
        peers.push(peer)
        await peer.agree({ flags: MULTI_CONN_FLAGS })
        for (;;) {
          const request = await peer.request()
          if (request.type === TYPE.disconnect) {
            left++
            peer.socket.destroy()
          } else peer.simple(request)
        }
      })
      let chunks = 0
      let disconnected: Promise<void> | undefined
      const dial: NbdDial = (address, receiver, options) => {
        const filled = (filledBytes: number): void => {
          receiver.filled(filledBytes)
          if (server.connections < 2 || chunks++ !== moment % CHUNKS) return
          void leaveAfter(Math.floor(moment / CHUNKS))
        }
        const space = (): Uint8Array => receiver.space()
        const taken = (takenBytes: number): void => receiver.taken(takenBytes)
        const ended = (error?: Error): void => receiver.ended(error)
        return server.dial(address, { space, filled, taken, ended }, options)
      }
      const device = await NbdBlockDevice.open('nbd://memory/', { dial, connections: 2 })
      const leaveAfter = async (microtasks: number): Promise<void> => {
        for (let turn = 0; turn < microtasks; turn++) await undefined
        disconnected = device.disconnect()
      }
      // The second one makes another connection.
      await Promise.all([device.write(0, bytes(512)), device.write(1, bytes(512))])
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      await (disconnected ?? device.disconnect())
      await new Promise(setImmediate)
      expect(peers.map(({ socket }) => socket.destroyed)).toEqual([true, true])
      cut++
    }
    // It left while the second one was being made, and after that.
    expect(left).toBeGreaterThan(cut)
    expect(left).toBeLessThan(2 * cut)
  })
})
