// Discarding, writing zeroes and asking for holes only save work. What a server answers to them is no reason to fail
// where plain reads and writes do; that a connection is lost, or the storage shut us out, is.
import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import { StatusRequests, StatusSearch } from '../../../src/block/nbd/transport/extents.ts'
import { NbdFault } from '../../../src/block/nbd/transport/fault.ts'
import { erase } from '../../../src/block/ops/erase.ts'
import { sparseCopy } from '../../../src/block/ops/sparse-copy.ts'
import { TYPE } from '../../helpers/caching-nbd.ts'
import { type FakeRequest, type Peer, pack } from '../../helpers/fake-nbd.ts'
import { memoryNbd } from '../../helpers/memory-nbd.ts'
import { bytes } from './scene.ts'

const MIB = 1 << 20
const HOLE = 3
const ERRORS = { EIO: 5, EINVAL: 22, ENOTSUP: 95 }
const ESHUTDOWN = 108

/** A server with 1 MiB of ones, which answers some requests by a script, and all others as it should. */
async function served(
  answer: (peer: Peer, request: FakeRequest) => boolean,
): Promise<{ device: NbdBlockDevice; content: Buffer; log: number[] }> {
  const content = Buffer.alloc(MIB, 1)
  const log: number[] = []
  const { dial } = memoryNbd(async (peer) => {
    await peer.agree()
    for (;;) {
      const request = await peer.request()
      const { type, offset, length, data } = request
      log.push(type)
      if (answer(peer, request)) continue
      if (type === TYPE.disconnect) peer.socket.destroy()
      else if (type === TYPE.read) {
        const found = content.subarray(offset, offset + length)
        peer.chunk(request, 1, pack([8, offset], found))
      } else if (type === TYPE.status) {
        peer.chunk(request, 5, pack([4, 7], [4, length], [4, 0]))
      } else {
        if (type === TYPE.write) content.set(data, offset)
        if (type === TYPE.zeroes) content.fill(0, offset, offset + length)
        peer.simple(request)
      }
    }
  })
  return { device: await NbdBlockDevice.open('nbd://memory/', { dial }), content, log }
}

const HINTS: readonly number[] = [TYPE.trim, TYPE.zeroes, TYPE.status]

describe.each(Object.entries(ERRORS))('operations that are only hints, answered %s', (_, errno) => {
  const refusing = () =>
    served((peer, request) => {
      if (HINTS.includes(request.type)) peer.simple(request, errno)
      return HINTS.includes(request.type)
    })

  test('zeroes are written, durably if they are to be', async () => {
    const { device, content, log } = await refusing()
    await device.writeZeroes(8, 16)
    expect(content.indexOf(0)).toBe(8 * 512)
    expect(content.lastIndexOf(0)).toBe(24 * 512 - 1)
    await device.writeZeroes(0, 8, { durable: true })
    expect(log.slice(-2)).toEqual([TYPE.write, TYPE.flush])
    expect(content.subarray(0, 24 * 512).every((byte) => byte === 0)).toBe(true)
  })

  test('extents of unknown kind count as data', async () => {
    const { device } = await refusing()
    expect(await device.seekMapped(5)).toBe(5)
    expect(await device.seekUnmapped(5)).toBe(MIB / 512)
  })

  test('a copy and an erasure work without them', async () => {
    const { device, content } = await refusing()
    const source = new MemoryBlockDevice({ sizeSectors: MIB / 512 })
    await source.write(1000, bytes(512, 2))
    await sparseCopy(source, device)
    const copied = new Uint8Array(MIB)
    await source.read(0, [copied])
    expect(content.equals(copied)).toBe(true)
    content.fill(1)
    await erase(device)
    expect(content.every((byte) => byte === 0)).toBe(true)
  })
})

test('storage that has shut this client out is no hint that failed', async () => {
  const { device, log } = await served((peer, request) => {
    if (request.type === TYPE.zeroes || request.type === TYPE.trim) {
      peer.simple(request, ESHUTDOWN)
      return true
    }
    return false
  })
  await expect(device.writeZeroes(0, 8)).rejects.toMatchObject({ code: 'BLOCK_FENCED' })
  const source = new MemoryBlockDevice({ sizeSectors: MIB / 512 })
  await expect(sparseCopy(source, device)).rejects.toMatchObject({ code: 'BLOCK_FENCED' })
  // Before the hint, a copy looks whether both are one storage: it writes into the last sector, and puts back what was
  // there.
  const { write, trim } = TYPE
  expect(log.filter((type) => type === write || type === trim)).toEqual([write, write, trim])
})

test('zeroes that are lost with the connection are not written again', async () => {
  const { device, content, log } = await served((peer, request) => {
    if (request.type === TYPE.zeroes) peer.socket.destroy()
    return request.type === TYPE.zeroes
  })
  await expect(device.writeZeroes(0, 8)).rejects.toMatchObject({ code: 'BLOCK_LOST' })
  expect(log).not.toContain(TYPE.write)
  expect(content.includes(0)).toBe(false)
})

test('a permit that is taken away ends zeroes before they are written plainly', async () => {
  let permitted = true
  const { device, log } = await served((peer, request) => {
    if (request.type !== TYPE.zeroes) return false
    permitted = false
    peer.simple(request, ERRORS.ENOTSUP)
    return true
  })
  const permit = (): void => {
    if (!permitted) throw new Error('not any more')
  }
  await expect(device.writeZeroes(0, 8, { permit })).rejects.toThrow('not any more')
  expect(log).not.toContain(TYPE.write)
})

test('several descriptions are accepted where one was asked for', async () => {
  const { device } = await served((peer, request) => {
    if (request.type !== TYPE.status) return false
    const runs = Array.from({ length: 2000 }, (_, index) => {
      return pack([4, 512], [4, ((request.offset / 512 + index) & 8) === 0 ? HOLE : 0])
    })
    peer.chunk(request, 5, pack([4, 7], Buffer.concat(runs)))
    return true
  })
  expect(await device.seekMapped(0)).toBe(8)
  expect(await device.seekUnmapped(8)).toBe(16)
})

describe('requests of block status', () => {
  const most = 2 ** 32 - 2 ** 16
  const limits = { rangeBytes: 32 * MIB, minimumBytes: 4096, maxStatusBytes: most }
  const TIB = 2 ** 40

  test('cover as much as a request can', async () => {
    const asked: number[] = []
    const requests = new StatusRequests(limits, async (_, length) => {
      asked.push(length)
      return { length, flags: HOLE }
    })
    let count = 0
    for (let at = 0; at < TIB; count++) at += (await requests.ask(at, TIB)).length
    expect(count).toBeLessThan(300)
    expect(Math.max(...asked)).toBeLessThan(2 ** 32)
  })

  test('get smaller for a server that refuses that, and stay so', async () => {
    const asked: number[] = []
    const requests = new StatusRequests(limits, async (_, length) => {
      asked.push(length)
      if (length > limits.rangeBytes) throw new NbdFault('refused', 'too long', 'EINVAL')
      return { length, flags: HOLE }
    })
    for (let at = 0; at < 64 * MIB; ) at += (await requests.ask(at, TIB)).length
    expect(asked).toEqual([most, 32 * MIB, 32 * MIB])
  })

  test('begin at a block, also after an answer that ended within one', async () => {
    const starts: number[] = []
    const ends = [1000, 1300, 5000, 8192]
    const requests = new StatusRequests(limits, async (offset) => {
      starts.push(offset)
      const end = ends.find((each) => each > offset) ?? TIB
      return { length: end - offset, flags: HOLE }
    })
    const found: [number, number][] = []
    for (let at = 0; at < 12288; ) {
      const { length, flags } = await requests.ask(at, 12288)
      found.push([at, flags])
      at += length
    }
    expect(starts.every((offset) => offset % 4096 === 0)).toBe(true)
    // What lies between the ends cannot be asked for, so it may be data.
    expect(found).toEqual([
      [0, HOLE],
      [1000, 0],
      [4096, HOLE],
      [5000, 0],
      [8192, HOLE],
    ])
  })

  test('are sent ahead in a large hole, and only there', async () => {
    let inFlight = 0
    let together = 0
    const asked: number[] = []
    const small = { ...limits, maxStatusBytes: MIB }
    const requests = new StatusRequests(small, async (offset, length) => {
      asked.push(offset)
      together = Math.max(together, ++inFlight)
      await new Promise((resolve) => setImmediate(resolve))
      inFlight--
      // A hole of 1,000 MiB, then data and holes of 4 KiB in turns.
      if (offset < 1000 * MIB) return { length, flags: HOLE }
      return { length: 4096, flags: (offset / 4096) % 2 === 0 ? 0 : HOLE }
    })
    const search = new StatusSearch(requests, TIB)
    for (let at = 0; at < 1000 * MIB; ) {
      const { length, flags } = await search.ask(at)
      expect(flags).toBe(HOLE)
      at += length
    }
    expect(together).toBe(16)
    expect(new Set(asked).size).toBe(asked.length)
    let at = 1000 * MIB
    for (; at < 1000 * MIB + 40960; at += 4096)
      expect(await search.ask(at)).toMatchObject({ length: 4096 })
    await search.close()
    expect(inFlight).toBe(0)
    // Beyond the hole nothing was asked for in vain, but what was on its way.
    expect(asked.length).toBeLessThan(1000 + 32)
  })

  test('fail with any other error as it is', async () => {
    const lost = new NbdFault('lost', 'gone')
    const requests = new StatusRequests(limits, () => Promise.reject(lost))
    await expect(requests.ask(0, TIB)).rejects.toBe(lost)
  })
})
