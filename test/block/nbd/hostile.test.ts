import { describe, expect, test } from 'vitest'
import type { NbdBlockDevice, NbdBlockDeviceOptions } from '../../../src/block/nbd/index.ts'
import { listNbdExports } from '../../../src/block/nbd/index.ts'
import { type FakeRequest, type Peer, pack, startFake } from '../../helpers/fake-nbd.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** Does nothing until the client leaves. */
async function stall(peer: Peer): Promise<void> {
  await peer.read(Number.MAX_SAFE_INTEGER)
}

async function fake(
  script: (peer: Peer, connection: number) => Promise<void>,
  scheme = 'nbd+unix',
): Promise<string> {
  const path = scene.file('fake.sock')
  scene.keep(await startFake(path, script))
  return `${scheme}:///?socket=${path}`
}

/** A server that haggles as it should, and then answers the first request like this. */
async function connected(
  answer: (peer: Peer, request: FakeRequest) => Promise<void> | void,
  { structured = true, ...options }: NbdBlockDeviceOptions & { structured?: boolean } = {},
): Promise<NbdBlockDevice> {
  const uri = await fake(async (peer) => {
    await peer.agree({ structured })
    await answer(peer, await peer.request())
    await stall(peer)
  })
  return scene.connect(uri, { requestTimeoutMs: 5000, ...options })
}

const PROTOCOL = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_PROTOCOL' })
const OPEN = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_OPEN' })

describe('a server that misbehaves in the handshake', () => {
  const scripts: readonly (readonly [string, (peer: Peer) => Promise<void>, unknown])[] = [
    [
      'another protocol',
      async (peer) => peer.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n')),
      PROTOCOL,
    ],
    [
      'a bad magic of options',
      async (peer) => peer.send('4e42444d41474943', '0102030405060708'),
      PROTOCOL,
    ],
    [
      'the old style',
      async (peer) => peer.send('4e42444d41474943', '0000420281861253', Buffer.alloc(136)),
      expect.objectContaining({ code: 'BLOCK_UNSUPPORTED' }),
    ],
    ['an end at once', async (peer) => void peer.socket.end(), OPEN],
    [
      'an end in the middle of a greeting',
      async (peer) => void peer.socket.end(pack('4e42')),
      OPEN,
    ],
    [
      'a bad magic of an answer',
      async (peer) => {
        await peer.greet()
        await peer.option()
        peer.send(Buffer.alloc(20, 1))
        await stall(peer)
      },
      PROTOCOL,
    ],
    [
      'an answer to another option',
      async (peer) => {
        await peer.greet()
        await peer.option()
        peer.answer(99, 1)
        await stall(peer)
      },
      PROTOCOL,
    ],
    [
      'an answer of 4 GiB',
      async (peer) => {
        await peer.greet()
        const { option } = await peer.option()
        peer.send('0003e889045565a9', [4, option], [4, 3], [4, 0xffffffff])
        await stall(peer)
      },
      PROTOCOL,
    ],
    [
      'a flood of answers',
      async (peer) => {
        await peer.greet()
        await peer.option()
        peer.answer(8, 1)
        const { option } = await peer.option()
        const flood = pack('0003e889045565a9', [4, option], [4, 4], [4, 5], [4, 1], [1, 65])
        for (;;) {
          for (let i = 0; i < 1000; i++) peer.socket.write(flood)
          await new Promise(setImmediate)
          if (peer.socket.destroyed) return
        }
      },
      PROTOCOL,
    ],
    [
      'an export without a size',
      async (peer) => {
        await peer.greet()
        for (;;) peer.answer((await peer.option()).option, 1)
      },
      PROTOCOL,
    ],
    [
      'a size that no client can address',
      async (peer) => {
        await peer.greet()
        for (;;) {
          const { option } = await peer.option()
          if (option === 7) peer.answer(option, 3, pack([2, 0], 'ffffffffffffffff', [2, 0xed]))
          peer.answer(option, 1)
        }
      },
      expect.objectContaining({ code: 'BLOCK_UNSUPPORTED' }),
    ],
    [
      'a smallest block of 3 bytes',
      async (peer) => {
        await peer.greet()
        for (;;) {
          const { option } = await peer.option()
          if (option === 7) peer.answer(option, 3, pack([2, 3], [4, 3], [4, 4096], [4, 1 << 20]))
          peer.answer(option, 1)
        }
      },
      PROTOCOL,
    ],
    [
      'unrequested bytes',
      async (peer) => {
        await peer.greet()
        for (;;) {
          const { option } = await peer.option()
          if (option === 7) peer.answer(option, 3, pack([2, 0], [8, 1 << 20], [2, 0xed]))
          if (option === 7)
            peer.socket.write(pack('0003e889045565a9', [4, 7], [4, 1], [4, 0], '00'))
          else peer.answer(option, 1)
        }
      },
      PROTOCOL,
    ],
  ]

  test.each(scripts)('%s', async (_, script, expected) => {
    const uri = await fake(script)
    await expect(scene.connect(uri)).rejects.toEqual(expected)
  })

  test.each(['nothing', 'half an answer'])('%s, and then silence', async (what) => {
    const uri = await fake(async (peer) => {
      if (what !== 'nothing') {
        await peer.greet()
        await peer.option()
        peer.send('0003e889')
      }
      await stall(peer)
    })
    await expect(scene.connect(uri, { connectTimeoutMs: 300 })).rejects.toEqual(OPEN)
  })

  test('a server that knows only names of exports', async () => {
    const uri = await fake(async (peer) => {
      await peer.greet()
      for (;;) {
        const { option } = await peer.option()
        if (option !== 1) peer.answer(option, 0x80000001)
        else peer.send([8, 1 << 20], [2, 0xed])
        if (option === 1) break
      }
      peer.simple(await peer.request())
      await stall(peer)
    })
    const device = await scene.connect(uri)
    expect(await device.getInfo()).toEqual({ readWrite: true, sectorSize: 512, sizeSectors: 2048 })
    await device.flush()
  })

  test('a server that knows no options at all pads its answer', async () => {
    const uri = await fake(async (peer) => {
      await peer.greet(0)
      await peer.option()
      peer.send([8, 1 << 20], [2, 0xed], Buffer.alloc(124))
      peer.simple(await peer.request())
      await stall(peer)
    })
    await (await scene.connect(uri)).flush()
  })

  test('a missing export is reported', async () => {
    const uri = await fake(async (peer) => {
      await peer.greet()
      for (;;) {
        const { option } = await peer.option()
        peer.answer(option, option === 7 ? 0x80000006 : 1, Buffer.from('no\x1b[2J such thing'))
      }
    })
    await expect(scene.connect(uri)).rejects.toThrow(
      /it has no such export \('no \[2J such thing'\)/,
    )
  })

  test('an invalid list of exports is refused', async () => {
    const uri = await fake(async (peer) => {
      await peer.greet()
      const { option } = await peer.option()
      peer.answer(option, 2, pack([4, 1000], [1, 65]))
      await stall(peer)
    })
    await expect(listNbdExports(uri)).rejects.toEqual(PROTOCOL)
  })

  test('TLS that is refused is not replaced by plain text', async () => {
    const seen: number[] = []
    const uri = await fake(async (peer) => {
      await peer.greet()
      for (;;) {
        const { option } = await peer.option()
        seen.push(option)
        peer.answer(option, 0x80000001)
      }
    }, 'nbds+unix')
    await expect(scene.connect(uri)).rejects.toThrow(/refuses TLS/)
    // STARTTLS, and then at most ABORT.
    expect([[5], [5, 2]]).toContainEqual(seen)
  })

  test('plain text after the agreement to TLS is not taken for the server’s', async () => {
    const uri = await fake(async (peer) => {
      await peer.greet()
      const { option } = await peer.option()
      peer.socket.write(
        pack('0003e889045565a9', [4, option], [4, 1], [4, 0], '0003e889045565a90000000800000001'),
      )
      await stall(peer)
    }, 'nbds+unix')
    await expect(scene.connect(uri)).rejects.toEqual(PROTOCOL)
  })
})

describe('answers to a read', () => {
  const READ = 2048
  const answers: readonly (readonly [string, (peer: Peer, request: FakeRequest) => void])[] = [
    ['a bad magic', (peer) => peer.send(Buffer.alloc(32, 9))],
    [
      'a reply to another request',
      (peer, r) => peer.data({ ...r, cookie: Buffer.alloc(8, 7) }, 0, READ, 1),
    ],
    ['a simple reply', (peer, r) => peer.simple(r)],
    [
      'data that overlaps',
      (peer, r) => {
        peer.data(r, 0, 1024, 1, false)
        peer.data(r, 512, READ - 512, 1)
      },
    ],
    [
      'the same data twice',
      (peer, r) => {
        peer.data(r, 512, 512, 1, false)
        peer.data(r, 512, 512, 1, false)
      },
    ],
    ['too little data', (peer, r) => peer.data(r, 0, 1024, 1)],
    ['too much data', (peer, r) => peer.data(r, 0, READ + 512, 1)],
    ['data before the request', (peer, r) => peer.chunk(r, 1, pack([8, 0], Buffer.alloc(512)))],
    [
      'data far behind it',
      (peer, r) => peer.chunk(r, 1, pack('ffffffffffffffff', Buffer.alloc(512))),
    ],
    [
      'a chunk of 4 GiB',
      (peer, r) => peer.send('668e33ef', [2, 1], [2, 1], r.cookie, [4, 0xffffffff], [8, r.offset]),
    ],
    [
      'an error of 4 GiB',
      (peer, r) =>
        peer.send('668e33ef', [2, 1], [2, 0x8001], r.cookie, [4, 0xffffffff], Buffer.alloc(64)),
    ],
    ['data without bytes', (peer, r) => peer.chunk(r, 1, pack([8, r.offset]))],
    ['a hole without bytes', (peer, r) => peer.chunk(r, 2, pack([8, r.offset], [4, 0]))],
    ['a hole of 4 GiB', (peer, r) => peer.chunk(r, 2, pack([8, r.offset], [4, 0xffffffff]))],
    ['an unknown chunk', (peer, r) => peer.chunk(r, 77, Buffer.alloc(4))],
    ['an end without an answer', (peer, r) => peer.chunk(r, 0, Buffer.alloc(0))],
    ['nothing, and no end', (peer, r) => peer.chunk(r, 0, Buffer.alloc(0), false)],
    ['a description of bytes', (peer, r) => peer.chunk(r, 5, pack([4, 7], [4, 512], [4, 0]))],
    ['an error that is too short', (peer, r) => peer.chunk(r, 0x8001, pack([4, 5]))],
    [
      'an error with a longer message than it has',
      (peer, r) => peer.chunk(r, 0x8001, pack([4, 5], [2, 9])),
    ],
  ]

  test.each(answers)('%s', async (_, answer) => {
    const device = await connected(answer)
    await expect(device.read(8, bytes(READ))).rejects.toEqual(PROTOCOL)
  })

  test('chunks in any order, and holes, are put together', async () => {
    const device = await connected((peer, request) => {
      peer.data(request, 1536, 512, 4, false)
      peer.chunk(request, 2, pack([8, request.offset + 512], [4, 512]), false)
      peer.data(request, 1024, 512, 3, false)
      peer.data(request, 0, 512, 1, false)
      peer.chunk(request, 0, Buffer.alloc(0))
    })
    const found = [new Uint8Array(512).fill(9), new Uint8Array(1536).fill(9)] as const
    await device.read(8, found)
    expect([found[0][0], found[1][0], found[1][512], found[1][1535]]).toEqual([1, 0, 3, 4])
  })

  test('thousands of separate pieces take no memory', async () => {
    const device = await connected((peer, request) => {
      for (let at = 0; at < 4000; at += 2) peer.data(request, at, 1, 1, false)
    })
    await expect(device.read(0, bytes(4096))).rejects.toEqual(PROTOCOL)
  })

  test.each([
    ['an error', 0x8001, pack([4, 28], [2, 2], Buffer.from('hi'))],
    ['an error at an offset', 0x8002, pack([4, 28], [2, 2], Buffer.from('hi'), [8, 0])],
    ['an error that nobody knows yet', 0x8abc, pack([4, 28], Buffer.alloc(40))],
  ])('%s fails that read alone', async (_, type, data) => {
    const uri = await fake(async (peer) => {
      await peer.agree()
      const first = await peer.request()
      const second = await peer.request()
      peer.chunk(first, type, data)
      peer.data(second, 0, 512, 8)
      await stall(peer)
    })
    const device = await scene.connect(uri)
    const found = new Uint8Array(512)
    const [first, second] = [device.read(0, bytes(512)), device.read(1, [found])]
    await expect(first).rejects.toMatchObject({ code: 'BLOCK_IO', cause: { code: 'ENOSPC' } })
    await second
    expect(found[0]).toBe(8)
  })

  test('an error number outside the protocol counts as EINVAL', async () => {
    const device = await connected((peer, request) => peer.simple(request, 4711), {
      structured: false,
    })
    await expect(device.read(0, bytes(512))).rejects.toMatchObject({ cause: { code: 'EINVAL' } })
  })

  test('chunks are refused where they were not negotiated', async () => {
    const device = await connected((peer, request) => peer.data(request, 0, 512, 1), {
      structured: false,
    })
    await expect(device.read(0, bytes(512))).rejects.toEqual(PROTOCOL)
  })

  test('half of the data, and then silence, end in a timeout', async () => {
    const half = async (peer: Peer, request: FakeRequest): Promise<void> => {
      peer.send('668e33ef', [2, 1], [2, 1], request.cookie, [4, 8 + request.length], [8, 0])
      peer.send(Buffer.alloc(request.length / 2, 5))
    }
    const device = await connected(half, { requestTimeoutMs: 300 })
    const buffers = bytes(1 << 19, 1)
    await expect(device.read(0, buffers)).rejects.toMatchObject({ code: 'BLOCK_TIMEOUT' })
  })

  test('data is read that comes byte by byte', async () => {
    const device = await connected(async (peer, request) => {
      const whole: Buffer[] = []
      const { socket } = peer
      Object.assign(peer, { socket: { write: (piece: Buffer) => whole.push(piece) } })
      peer.data(request, 0, 512, 6)
      Object.assign(peer, { socket })
      for (const byte of Buffer.concat(whole)) {
        socket.write(Uint8Array.of(byte))
        await new Promise(setImmediate)
      }
    })
    const [found] = bytes(512) as [Uint8Array]
    await device.read(0, [found])
    expect(found.every((byte) => byte === 6)).toBe(true)
  })
})

describe('answers to other requests', () => {
  test('a second reply to a write is refused', async () => {
    const device = await connected((peer, request) => {
      peer.simple(request)
      peer.simple(request)
    })
    const second = device.write(1, bytes(512))
    const outcome = Promise.allSettled([device.write(0, bytes(512)), second])
    expect((await outcome).map(({ status }) => status)).toContain('rejected')
  })

  test('data in a reply to a write is refused', async () => {
    const device = await connected((peer, request) => peer.data(request, 0, 512, 1))
    await expect(device.write(0, bytes(512))).rejects.toEqual(PROTOCOL)
  })

  test.each([
    ['of another context', pack([4, 8], [4, 512], [4, 0])],
    ['of no bytes', pack([4, 7], [4, 0], [4, 0])],
    ['that is cut short', pack([4, 7], [4, 512])],
    ['of which the second is cut short', pack([4, 7], [4, 512], [4, 0], [4, 512])],
    ['of none', pack([4, 7])],
  ])('a description of bytes %s is refused', async (_, data) => {
    const device = await connected((peer, request) => peer.chunk(request, 5, data))
    await expect(device.seekMapped(0)).rejects.toEqual(PROTOCOL)
  })

  test('holes that are no whole sectors are data to a device with larger ones', async () => {
    const hole = 3
    const runs = [
      [4096 - 512, 0],
      [512 + 4096 - 512, hole],
      [512, 0],
      [8192, hole],
    ] as const
    const uri = await fake(async (peer) => {
      await peer.agree()
      for (;;) {
        const request = await peer.request()
        let at = 0
        const [length, flags] = runs.find(([bytes]) => {
          at += bytes
          return request.offset < at
        }) ?? [1 << 20, 0]
        const left = at > request.offset ? at - request.offset : length
        peer.chunk(request, 5, pack([4, 7], [4, left], [4, flags]))
      }
    })
    const device = await scene.connect(uri, { sectorSize: 4096 })
    expect(await device.seekUnmapped(0)).toBe(2)
    expect(await device.seekMapped(2)).toBe(4)
  })
})
