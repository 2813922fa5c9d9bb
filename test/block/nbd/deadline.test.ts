import { describe, expect, test } from 'vitest'
import { NbdBlockDevice, type NbdBlockDeviceOptions } from '../../../src/block/nbd/index.ts'
import { CachingNbd, TYPE } from '../../helpers/caching-nbd.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { type FakeRequest, type Peer, pack } from '../../helpers/fake-nbd.ts'
import { type MemoryNbd, memoryNbd } from '../../helpers/memory-nbd.ts'
import { type Pace, slowLink } from '../../helpers/slow-link.ts'
import { bytes } from './scene.ts'

const KiB = 1024
const MiB = KiB * KiB
const TIMEOUT = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_TIMEOUT' })

/** How long a promise takes, by a clock that goes on in steps; it fails if that is longer than it may. */
async function timed(clock: FakeClock, work: Promise<unknown>, mostMs: number): Promise<number> {
  const start = clock.now()
  let end: number | undefined
  const settled = work.finally(() => {
    end = clock.now()
  })
  settled.catch(() => undefined)
  while (end === undefined && clock.now() - start < mostMs) await clock.advance(100)
  if (end === undefined) throw new Error(`it takes longer than ${mostMs} ms`)
  await settled
  return end - start
}

/** A device behind a link of this pace. */
async function behindLink(
  pace: Pace,
  options: NbdBlockDeviceOptions = {},
): Promise<{ clock: FakeClock; server: CachingNbd; device: NbdBlockDevice }> {
  const clock = new FakeClock()
  const server = new CachingNbd({ size: 16 * MiB })
  const dial = slowLink(server.dial, clock, pace)
  const connecting = NbdBlockDevice.open('nbd://memory/', { dial, clock, ...options })
  await timed(clock, connecting, 10_000)
  return { clock, server, device: await connecting }
}

/** A device of a server that answers like this. */
async function answeredBy(
  answer: (peer: Peer, request: FakeRequest, connection: number) => void,
  options: NbdBlockDeviceOptions = {},
): Promise<{ clock: FakeClock; server: MemoryNbd; device: NbdBlockDevice }> {
  const clock = new FakeClock()
  const server = memoryNbd(async (peer, connection) => {
    await peer.agree()
    for (;;) answer(peer, await peer.request(), connection)
  })
  const { dial } = server
  const device = await NbdBlockDevice.open('nbd://memory/', { dial, clock, ...options })
  return { clock, server, device }
}

describe('a slow, steady link is alive', () => {
  test.each([
    [100_000, 4 * MiB],
    [10_000, MiB],
    [KiB + 100, 300 * KiB],
  ])('if it moves %i bytes a second', async (bytesPerSecond, length) => {
    const { clock, server, device } = await behindLink({ bytesPerSecond })
    const least = (length / bytesPerSecond) * 1000
    const write = device.write(0, bytes(length, 7), { durable: true })
    expect(await timed(clock, write, least * 1.5)).toBeGreaterThan(least * 0.99)
    expect(server.stable.subarray(0, length).every((byte) => byte === 7)).toBe(true)
    const found = bytes(length)
    await timed(clock, device.read(0, found), least * 1.5)
    expect(found[0]?.every((byte) => byte === 7)).toBe(true)
    expect(server.connections).toBe(1)
  })

  test('even if it became slow only while much was in flight', async () => {
    const pace = { bytesPerSecond: 100 * MiB }
    const { clock, server, device } = await behindLink(pace)
    for (let i = 0; i < 4; i++) await timed(clock, device.write(0, bytes(16 * MiB)), 10_000)
    const write = device.write(0, bytes(16 * MiB))
    pace.bytesPerSecond = 100_000
    await timed(clock, write, 300_000)
    expect(server.connections).toBe(1)
  })
})

test('a request may be overtaken on a slow link', async () => {
  const late: (() => void)[] = []
  const { clock, device, server } = await answeredBy(async (peer, request) => {
    if (request.type !== TYPE.read) {
      late.push(() => peer.simple(request))
      return
    }
    for (let at = 0; at < request.length; at += 2 * KiB) {
      await clock.sleep(1900)
      peer.data(request, at, 2 * KiB, 3, at + 2 * KiB === request.length)
    }
    for (const answer of late) answer()
  })
  const write = device.write(0, bytes(512))
  await clock.advance(1)
  const read = device.read(8, bytes(48 * KiB))
  await timed(clock, Promise.all([write, read]), 60_000)
  expect(clock.now()).toBeGreaterThan(45_000)
  expect(server.connections).toBe(1)
})

describe('a request ends in time', () => {
  test('when a link that was alive falls silent', async () => {
    const pace = { bytesPerSecond: 100_000 }
    const { clock, device } = await behindLink(pace)
    const write = device.write(0, bytes(4 * MiB))
    write.catch(() => undefined)
    await clock.advance(20_000)
    pace.bytesPerSecond = 0
    expect(await timed(clock, write.catch(String), 31_000)).toBeGreaterThanOrEqual(29_900)
    await expect(write).rejects.toEqual(TIMEOUT)
  })

  test('when the server drips', async () => {
    const { clock, server, device } = await answeredBy(async (peer, request) => {
      for (const byte of pack('668e33ef', [2, 1], [2, 1], request.cookie, [4, 4104], [8, 0])) {
        peer.send([1, byte])
        await clock.sleep(10_000)
      }
    })
    const read = device.read(0, bytes(4 * KiB))
    const ms = await timed(clock, read.catch(String), 60_000)
    await expect(read).rejects.toEqual(TIMEOUT)
    expect(ms).toBeGreaterThan(30_000)
    // The time that nothing may move, and what 4 KiB take at 1 KiB a second.
    expect(ms).toBeLessThan(35_000)
    expect(server.connections).toBe(1)
  })

  test('when the server drips for as long as large reads may take', async () => {
    let drips = false
    const { clock, device } = await answeredBy(async (peer, request) => {
      if (!drips) {
        peer.data(request, 0, request.length, 1)
        return
      }
      peer.send('668e33ef', [2, 1], [2, 1], request.cookie, [4, 8 + request.length])
      peer.send([8, request.offset])
      for (;;) {
        peer.send([1, 0])
        await clock.sleep(1000)
      }
    })
    // So that more may be in flight than what 1 KiB a second moves in that time.
    for (let i = 0; i < 8; i++) await timed(clock, device.read(0, bytes(MiB)), 1000)
    drips = true
    const read = device.read(0, bytes(MiB))
    const ms = await timed(clock, read.catch(String), 400_000)
    await expect(read).rejects.toEqual(TIMEOUT)
    expect(ms).toBeGreaterThan(290_000)
    expect(ms).toBeLessThanOrEqual(300_100)
  })

  test('when others are answered, and it is not', async () => {
    const { clock, device } = await answeredBy((peer, request, connection) => {
      if (request.type === TYPE.read) peer.data(request, 0, request.length, 1)
      else if (connection > 1) peer.simple(request)
    })
    // What was answered before does not count.
    await timed(clock, device.read(0, bytes(MiB)), 1000)
    const write = device.write(0, bytes(512))
    write.catch(() => undefined)
    let reads = 0
    for (const start = clock.now(); clock.now() - start < 29_000; reads++) {
      await timed(clock, device.read(1, bytes(512)), 1000)
    }
    expect(reads).toBeGreaterThan(100)
    // What a read that is in flight beside it takes at 1 KiB a second.
    await timed(clock, write.catch(String), 3000)
    await expect(write).rejects.toEqual(TIMEOUT)
  })
})

describe('a read that was on its way when a connection was lost', () => {
  /** Sends a part of each read, then waits, and closes the connection; the last connection answers. */
  function losing(clock: () => FakeClock, last: number, ms: number) {
    return async (peer: Peer, request: FakeRequest, connection: number): Promise<void> => {
      if (connection >= last) {
        peer.data(request, 0, request.length, 9)
        return
      }
      peer.data(request, 0, 1024, 1, false)
      for (let waited = 0; waited < ms; waited += 1000) {
        await clock().sleep(1000)
        peer.data(request, 1024 + waited / 1000, 1, 1, false)
      }
      peer.socket.destroy()
    }
  }

  test('continues over the next one, however long the first was alive', async () => {
    let clock = new FakeClock()
    const made = await answeredBy(losing(() => clock, 2, 45_000))
    clock = made.clock
    const found = bytes(32 * KiB)
    await timed(clock, made.device.read(0, found), 60_000)
    expect(found[0]?.every((byte) => byte === 9)).toBe(true)
    expect(made.server.connections).toBe(2)
  })

  test('does not continue forever', async () => {
    let clock = new FakeClock()
    const made = await answeredBy(losing(() => clock, Number.POSITIVE_INFINITY, 20_000))
    clock = made.clock
    const read = made.device.read(0, bytes(32 * KiB))
    const ms = await timed(clock, read.catch(String), 400_000)
    await expect(read).rejects.toMatchObject({ code: expect.stringMatching(/LOST|TIMEOUT/) })
    expect(ms).toBeGreaterThan(100_000)
    expect(ms).toBeLessThanOrEqual(330_000)
  })
})

test('a small request does not wait behind bulk data', async () => {
  const { clock, device } = await behindLink({ bytesPerSecond: 100_000 })
  const bulk = [0, 8192, 16384].map((sector) => device.write(sector, bytes(4 * MiB)))
  for (const write of bulk) write.catch(() => undefined)
  await clock.advance(20_000)
  // The renewal of a lease: a read, and a durable write.
  for (let renewals = 0; renewals < 5; renewals++) {
    const renewed = (async () => {
      await device.read(32_000, bytes(4 * KiB))
      await device.write(32_000, bytes(4 * KiB), { durable: true })
    })()
    await timed(clock, renewed, 2 * 1500)
    await clock.advance(1000)
  }
  expect(clock.now()).toBeLessThan(100_000)
})
