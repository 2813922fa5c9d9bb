import { describe, expect, test } from 'vitest'
import { NbdBlockDevice, type NbdBlockDeviceOptions } from '../../../src/block/nbd/index.ts'
import { CachingNbd, type Seen, TYPE } from '../../helpers/caching-nbd.ts'
import { ALL_FLAGS, MULTI_CONN_FLAGS } from '../../helpers/fake-nbd.ts'
import { bytes } from './scene.ts'

const LOST = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_LOST' })

function connect(server: CachingNbd, options: NbdBlockDeviceOptions = {}): Promise<NbdBlockDevice> {
  return NbdBlockDevice.open('nbd://memory/', { dial: server.dial, ...options })
}

/** A promise and what resolves it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

async function expectFlushesFail(device: NbdBlockDevice): Promise<void> {
  await expect(device.flush()).rejects.toEqual(LOST)
  await expect(device.flush()).rejects.toEqual(LOST)
}

describe.each([
  ['small', 16 << 10],
  // These wait for the window of bulk data as well, which takes four at first.
  ['bulk', 64 << 10],
])('a server loses its cache between the %s pieces of a large call', (_, PIECE) => {
  const CALL = 16 * PIECE

  /** Crashes when a call has answered pieces and others that wait for their turn, and none on its way. */
  function crashBetweenPieces(server: CachingNbd, calls: number): { readonly crashed: boolean } {
    const answered = Array<number>(calls).fill(0)
    const onTheirWay = Array<number>(calls).fill(0)
    const state = { crashed: false }
    server.onRequest = async ({ request: { type, offset } }: Seen) => {
      if (type === TYPE.flush || type === TYPE.disconnect) return
      const call = Math.floor(offset / CALL)
      onTheirWay[call] = (onTheirWay[call] ?? 0) + 1
      await new Promise(setImmediate)
      const isBetween = answered.some(
        (pieces, other) => pieces > 0 && pieces < CALL / PIECE && onTheirWay[other] === 0,
      )
      if (isBetween && !state.crashed) {
        state.crashed = true
        server.crash()
      }
      onTheirWay[call] = (onTheirWay[call] ?? 0) - 1
      answered[call] = (answered[call] ?? 0) + 1
    }
    return state
  }

  describe.each([
    ['at most 1 request', 3, { maxInFlight: 1 }],
    ['at most 4 requests', 6, { maxInFlight: 4 }],
    ['as many requests as it likes', 66, {}],
  ])('with %s in flight', (_, calls, options) => {
    const server = (): CachingNbd => new CachingNbd({ size: calls * CALL, maximum: PIECE })

    test('no durable write is acknowledged that a crash loses', async () => {
      const caching = server()
      const device = await connect(caching, options)
      const state = crashBetweenPieces(caching, calls)
      const writes = await Promise.allSettled(
        Array.from({ length: calls }, (_, call) =>
          device.write((call * CALL) / 512, bytes(CALL, call + 1), { durable: true }),
        ),
      )
      expect(state.crashed).toBe(true)
      caching.crash()
      for (const [call, { status }] of writes.entries()) {
        const there = caching.stable.subarray(call * CALL, (call + 1) * CALL)
        if (status === 'fulfilled') expect(there.every((byte) => byte === call + 1)).toBe(true)
      }
    })

    test('no flush succeeds over writes that a crash lost', async () => {
      const caching = server()
      const device = await connect(caching, options)
      const state = crashBetweenPieces(caching, calls)
      await Promise.allSettled(
        Array.from({ length: calls }, (_, call) =>
          device.write((call * CALL) / 512, bytes(CALL, call + 1)),
        ),
      )
      expect(state.crashed).toBe(true)
      await expectFlushesFail(device)
    })
  })
})

describe.each([
  ['a write', (device: NbdBlockDevice) => device.write(0, bytes(512, 1))],
  ['zeroes', (device: NbdBlockDevice) => device.writeZeroes(0, 8)],
  ['a discard', (device: NbdBlockDevice) => device.discard(0, 8)],
])('%s that was not flushed', (_, change) => {
  test('can never be flushed if the connection was lost', async () => {
    const server = new CachingNbd()
    const device = await connect(server)
    await change(device)
    server.crash()
    await device.read(0, bytes(512))
    await expectFlushesFail(device)
    await (await connect(server)).flush()
  })

  test('can never be flushed if the next connection was lost too', async () => {
    const server = new CachingNbd()
    const device = await connect(server)
    server.cut(1)
    // The client has noticed when it needs the next one.
    await new Promise(setImmediate)
    await device.read(0, bytes(512))
    await change(device)
    server.cut(2)
    await device.read(0, bytes(512))
    await expectFlushesFail(device)
  })
})

test.each([
  ['a write', (device: NbdBlockDevice) => device.write(0, bytes(512, 1), { durable: true })],
  ['zeroes', (device: NbdBlockDevice) => device.writeZeroes(0, 8, { durable: true })],
])('%s that was durable by itself does not matter to a flush after a loss', async (_, change) => {
  const server = new CachingNbd()
  const device = await connect(server)
  await change(device)
  server.crash()
  await device.read(0, bytes(512))
  await device.flush()
})

/** Flags of exports: with everything, without FUA, without zeroes of the server's own, and without both. */
describe.each([
  ['with FUA', ALL_FLAGS],
  ['without FUA', ALL_FLAGS & ~0x08],
  ['that makes no zeroes by itself', ALL_FLAGS & ~0x40],
  ['that has neither', ALL_FLAGS & ~0x48],
])('what a server %s has acknowledged as durable is there after a crash', (_, flags) => {
  const PIECE = 64 << 10

  test.each([4 << 10, PIECE, 5 * PIECE])('zeroes of %i bytes', async (length) => {
    const server = new CachingNbd({ flags, maximum: PIECE })
    server.stable.fill(7)
    server.crash()
    const device = await connect(server)
    await device.writeZeroes(8, length / 512, { durable: true })
    server.crash()
    const end = 8 * 512 + length
    expect(server.stable.subarray(8 * 512, end).every((byte) => byte === 0)).toBe(true)
    expect([server.stable[8 * 512 - 1], server.stable[end]]).toEqual([7, 7])
  })

  test.each([4 << 10, PIECE, 5 * PIECE])('a write of %i bytes', async (length) => {
    const server = new CachingNbd({ flags, maximum: PIECE })
    const device = await connect(server)
    await device.write(8, bytes(length, 7), { durable: true })
    server.crash()
    const there = server.stable.subarray(8 * 512, 8 * 512 + length)
    expect(there.every((byte) => byte === 7)).toBe(true)
  })
})

describe('with two connections', () => {
  /** A device that has both connections, with a write answered over each that is told. */
  async function withChanges(
    over: readonly number[],
  ): Promise<{ server: CachingNbd; device: NbdBlockDevice }> {
    const server = new CachingNbd({ flags: MULTI_CONN_FLAGS })
    const device = await connect(server, { connections: 2 })
    const both = gate()
    server.onRequest = () => both.opened
    // The second one is made while the first one is busy, and used when that has answered what was sent later.
    const reads = [device.read(0, bytes(512))]
    while (server.connections < 2) {
      reads.push(device.read(0, bytes(512)))
      await new Promise(setImmediate)
    }
    both.open()
    while (!server.seen.some(({ connection }) => connection === 2)) {
      reads.push(device.read(0, bytes(512)), device.read(0, bytes(512)))
      await new Promise(setImmediate)
    }
    await Promise.all(reads)
    // A read that is held keeps the first connection busy, so that the next request takes the second one.
    const held = gate()
    server.onRequest = ({ request }) => (request.type === TYPE.read ? held.opened : undefined)
    for (const connection of over) {
      const reading = connection === 2 ? device.read(0, bytes(512)) : undefined
      await device.write(connection, bytes(512, connection))
      held.open()
      await reading
    }
    expect(server.connectionsOf(TYPE.write)).toEqual(over)
    server.onRequest = () => undefined
    return { server, device }
  }

  test('a flush goes over each that has something to flush', async () => {
    const { server, device } = await withChanges([1, 2])
    await device.flush()
    expect(server.connectionsOf(TYPE.flush)).toEqual([1, 2])
    await device.flush()
    expect(server.connectionsOf(TYPE.flush)).toHaveLength(3)
  })

  test('a flush goes over the second one if only that has something to flush', async () => {
    const { server, device } = await withChanges([2])
    await device.flush()
    expect(server.connectionsOf(TYPE.flush)).toEqual([2])
  })

  test.each([
    { over: [2], lost: 2 },
    { over: [1], lost: 1 },
    { over: [1], lost: 2 },
    { over: [2], lost: 1 },
  ])(
    'what was written over $over can never be flushed when $lost was lost',
    async ({ over, lost }) => {
      const { server, device } = await withChanges(over)
      server.cut(lost)
      await device.read(0, bytes(512))
      await device.read(0, bytes(512))
      await expectFlushesFail(device)
    },
  )

  test.each([1, 2])(
    'a flush fails forever when %i was lost while it was on its way over the other',
    async (lost) => {
      const { server, device } = await withChanges([3 - lost])
      server.onRequest = async ({ request, connection }) => {
        if (request.type !== TYPE.flush) return
        expect(connection).toBe(3 - lost)
        server.cut(lost)
        await new Promise(setImmediate)
      }
      await expectFlushesFail(device)
      expect(server.connectionsOf(TYPE.flush)).toEqual([3 - lost])
    },
  )

  test('a connection lost with nothing to flush does no harm', async () => {
    const { server, device } = await withChanges([1, 2])
    await device.flush()
    server.cut(2)
    server.cut(1)
    await device.read(0, bytes(512))
    await device.flush()
  })
})
