import { expect, test } from 'vitest'
import { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import type { FakeRequest, Peer } from '../../helpers/fake-nbd.ts'
import { memoryNbd } from '../../helpers/memory-nbd.ts'
import { bytes } from './scene.ts'

const TIMEOUT = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_TIMEOUT' })
const LOST = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_LOST' })

/** A server that agrees to everything, and then answers some requests. */
async function fake(
  answer: (peer: Peer, request: FakeRequest, connection: number) => void,
): Promise<{ clock: FakeClock; device: NbdBlockDevice; requests: string[] }> {
  const clock = new FakeClock()
  const requests: string[] = []
  const { dial } = memoryNbd(async (peer, connection) => {
    await peer.agree()
    for (;;) {
      const request = await peer.request()
      requests.push(`${connection}: type ${request.type} at ${request.offset}`)
      answer(peer, request, connection)
    }
  })
  const device = await NbdBlockDevice.open('nbd://memory/', { dial, clock })
  return { clock, device, requests }
}

test('a request that is late ends its connection: younger reads continue with the next one, writes do not', async () => {
  const { clock, device, requests } = await fake((peer, request, connection) => {
    if (connection > 1) peer.data(request, 0, request.length, 6)
  })
  const late = expect(device.read(0, bytes(512))).rejects.toEqual(TIMEOUT)
  // Their own time is not over when that of the first one is.
  await clock.advance(20_000)
  const found = new Uint8Array(512)
  const younger = device.read(1, [found])
  const write = expect(device.write(2, bytes(512))).rejects.toEqual(TIMEOUT)
  await clock.advance(12_000)
  await Promise.all([late, younger, write])
  expect(found[511]).toBe(6)
  expect(requests).toEqual([
    '1: type 0 at 0',
    '1: type 0 at 512',
    '1: type 1 at 1024',
    '2: type 0 at 512',
  ])
})

test('a flush without an answer leaves the writes before it in doubt', async () => {
  const { clock, device, requests } = await fake((peer, request) => {
    if (request.type === 1) peer.simple(request)
  })
  await device.write(0, bytes(512))
  const flush = expect(device.flush()).rejects.toEqual(TIMEOUT)
  await clock.advance(30_000)
  await flush
  await device.write(0, bytes(512))
  await expect(device.flush()).rejects.toEqual(TIMEOUT)
  expect(requests.filter((request) => request.includes('type 3'))).toHaveLength(1)
})

test('a flush that was answered covers the writes before it, and a later loss of the connection does no harm', async () => {
  let cut = false
  const { device } = await fake((peer, request, connection) => {
    if (connection === 1 && cut) peer.socket.destroy()
    else if (request.type === 0) peer.data(request, 0, request.length, 1)
    else peer.simple(request)
  })
  await device.write(0, bytes(512))
  await device.flush()
  cut = true
  await device.read(0, bytes(512))
  await device.flush()
})

test('a flush does not wait for answers to later requests', async () => {
  const held: (() => void)[] = []
  const { device } = await fake((peer, request) => {
    if (request.type === 1 && request.offset > 0) held.push(() => peer.simple(request))
    else peer.simple(request)
  })
  await device.write(0, bytes(512))
  const later = device.write(1, bytes(512))
  await device.flush()
  for (const answer of held) answer()
  await later
})

test('a flush does not cover a write that was answered while it was in flight', async () => {
  const held: (() => void)[] = []
  let cut = false
  const { device } = await fake((peer, request, connection) => {
    if (connection === 1 && cut) peer.socket.destroy()
    else if (request.type === 3) held.push(() => peer.simple(request))
    else if (request.type === 0) peer.data(request, 0, request.length, 1)
    else peer.simple(request)
  })
  await device.write(0, bytes(512))
  const flush = device.flush()
  await device.write(1, bytes(512))
  for (const answer of held) answer()
  await flush
  cut = true
  await device.read(0, bytes(512))
  await expect(device.flush()).rejects.toEqual(LOST)
})
