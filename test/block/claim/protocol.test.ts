import { once } from 'node:events'
import * as net from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { claimAddress } from '../../../src/block/claim/address.ts'
import { type Conversation, converse, type Occupant } from '../../../src/block/claim/client.ts'
import { newNonce } from '../../../src/block/claim/proof.ts'
import {
  challengeLine,
  LineReader,
  MAX_LINE_BYTES,
  parseQuestion,
  questionLine,
  replyLine,
  shown,
} from '../../../src/block/claim/protocol.ts'
import { RateLimit } from '../../../src/block/claim/rate-limit.ts'
import { ClaimServer } from '../../../src/block/claim/server.ts'
import type { ClaimOptions } from '../../../src/block/device.ts'
import { loadNative } from '../../../src/block/native/calls.ts'

const KEY = Buffer.from('0123456789abcdef')
const OTHER_KEY = Buffer.from('fedcba9876543210')
const GREETING = { holder: 'client "x"', pid: 7, host: 'here', since: '2026-01-01T00:00:00.000Z' }
const native = await loadNative()

/** Ends what a test began. */
const endings: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

let addresses = 0
/** In the spelling of this runtime: Bun listens at no name of 108 bytes, and Node 20 at no other. */
function newPath(): string {
  const [path = ''] = claimAddress(`test-${process.pid}`, `role-${addresses++}`).paths
  return path
}
const reading =
  (key: Uint8Array | undefined): (() => Promise<Uint8Array | undefined>) =>
  async () =>
    key

async function holder(
  name: string,
  options: Partial<ClaimOptions> = {},
  now?: () => number,
): Promise<string> {
  const path = newPath()
  const all = { holder: 'the holder', key: reading(KEY), ...options }
  const server = new ClaimServer(name, all, { now })
  endings.push(() => server.close())
  await server.listen(path)
  return path
}

/** Anything else that listens. */
async function impostor(serve: (socket: net.Socket) => void): Promise<string> {
  const path = newPath()
  const open = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    serve(socket)
  })
  endings.push(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  await once(server.listen({ path }), 'listening')
  return path
}

function call(path: string): net.Socket {
  const socket = net.connect({ path })
  socket.on('error', () => undefined)
  endings.push(() => void socket.destroy())
  return socket
}

function ended(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once('close', () => resolve()))
}

const lines = (socket: net.Socket): (() => Promise<string>) => {
  const reader = new LineReader()
  let wake = (): void => undefined
  socket.on('data', (chunk: Buffer) => {
    reader.add(chunk)
    wake()
  })
  return async () => {
    for (;;) {
      const line = reader.take()
      if (line !== undefined) return line
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
}

// Both ways to connect: by the system calls where koffi is there, and as every runtime does.
describe.each([
  ['as every runtime does', undefined],
  ['by the system calls', native],
])('connecting %s', (_, calls) => {
  const ask = (
    path: string,
    how: Partial<Omit<Conversation, 'native'>> & { key?: Uint8Array | undefined } = {},
  ): Promise<Occupant> => {
    const { key = KEY, ...rest } = how
    return converse(path, { name: 'ring/consumer', readKey: reading(key), native: calls, ...rest })
  }

  test('a holder answers a caller that has its key, and says who it is', async () => {
    const path = await holder('ring/consumer', { onRequest: async (said) => `${said}!` })
    const answered = await ask(path, { request: 'suspend' })
    expect(answered).toMatchObject({ kind: 'holder', answer: 'suspend!' })
    expect(answered).toMatchObject({ greeting: { holder: 'the holder', pid: process.pid } })
    expect(await ask(path)).toMatchObject({ kind: 'holder', answer: undefined })
  })

  test('a holder answers even after its process was stopped meanwhile', async () => {
    const asked = ask(await holder('ring/consumer'))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
    expect((await asked).kind).toBe('holder')
  })

  test.each([
    ['another key', { key: OTHER_KEY }],
    ['no key', { readKey: undefined }],
    ['the key, but means another role', { name: 'ring/producer' }],
    ['the key of a copy of the device', { name: 'copy/consumer' }],
  ])('a holder does nothing for a caller with %s, and tells it nothing', async (_what, how) => {
    const heard: string[] = []
    const onRequest = async (said: string): Promise<string> => {
      heard.push(said)
      return said
    }
    const path = await holder('ring/consumer', { onRequest })
    expect(await ask(path, { request: 'suspend', ...how })).toMatchObject({ kind: 'silent' })
    expect(heard).toEqual([])
  })

  test('any holder is believed if neither side has a key', async () => {
    const path = await holder('ring/consumer', { key: undefined, onRequest: async () => 'done' })
    expect(await ask(path, { readKey: undefined, request: 'x' })).toMatchObject({ answer: 'done' })
    expect(await ask(path)).toMatchObject({ kind: 'silent' })
  })

  test('a reflected challenge and a reflected proof prove nothing', async () => {
    const path = await impostor((socket) => {
      const next = lines(socket)
      socket.write(challengeLine(newNonce()))
      void next().then((line) => socket.write(`${line}\n`))
    })
    expect(await ask(path)).toMatchObject({ kind: 'stranger' })
  })

  test('an answer of the holder of another role cannot be handed on', async () => {
    const other = await holder('ring/producer')
    const path = await impostor((socket) => {
      const upstream = call(other)
      socket.pipe(upstream).pipe(socket)
    })
    expect((await ask(path)).kind).not.toBe('holder')
  })

  test('a man in the middle cannot change a request, or an answer', async () => {
    const heard: string[] = []
    const real = await holder('ring/consumer', {
      onRequest: async (said) => {
        heard.push(said)
        return 'refused'
      },
    })
    for (const [from, to] of [
      ['"request":"status"', '"request":"suspend"'],
      ['"answer":"refused"', '"answer":"done"'],
    ] as const) {
      const path = await impostor((socket) => {
        const upstream = call(real)
        const alter = (chunk: Buffer): string => chunk.toString().replace(from, to)
        socket.on('data', (chunk: Buffer) => upstream.write(alter(chunk)))
        upstream.on('data', (chunk: Buffer) => socket.write(alter(chunk)))
        upstream.on('close', () => socket.destroy())
      })
      expect((await ask(path, { request: 'status' })).kind).not.toBe('holder')
    }
    expect(heard).toEqual(['status'])
  })

  test('a recorded conversation cannot be played again', async () => {
    const recorded: string[] = []
    const real = await holder('ring/consumer', { onRequest: async () => 'done' })
    const recorder = await impostor((socket) => {
      const upstream = call(real)
      upstream.on('data', (chunk: Buffer) => recorded.push(chunk.toString()))
      socket.pipe(upstream).pipe(socket)
    })
    expect(await ask(recorder, { request: 'suspend' })).toMatchObject({ answer: 'done' })
    const [challenge = '', reply = ''] = recorded
    const path = await impostor((socket) => {
      socket.write(challenge)
      socket.once('data', () => socket.write(reply))
    })
    expect(await ask(path, { request: 'suspend' })).toMatchObject({ kind: 'stranger' })
  })

  test.each([
    ['says nothing', 'silent', () => undefined],
    ['hangs up', 'silent', (socket: net.Socket) => socket.destroy()],
    ['sends what is no JSON', 'stranger', (socket: net.Socket) => socket.write('{"challenge":\n')],
    ['sends JSON of another shape', 'stranger', (socket: net.Socket) => socket.write('[1,2]\n')],
    ['sends no nonce', 'stranger', (socket: net.Socket) => socket.write('{"challenge":"x"}\n')],
    ['sends a line without end', 'stranger', (socket: net.Socket) => flood(socket)],
    [
      'sends a challenge, and no more',
      'silent',
      (socket: net.Socket) => socket.write(challengeLine(newNonce())),
    ],
    [
      'answers with what is too long',
      'stranger',
      (socket: net.Socket) => {
        socket.write(challengeLine(newNonce()))
        socket.once('data', () => flood(socket))
      },
    ],
  ] as const)('a holder that %s counts as %s', async (_what, kind, serve) => {
    expect(await ask(await impostor((socket) => void serve(socket)))).toMatchObject({ kind })
  })

  test('a role that nobody holds counts as absent', async () => {
    expect(await ask(newPath())).toEqual({ kind: 'absent' })
  })

  test('what a holder says is made safe to show in a message', async () => {
    const path = await impostor((socket) => {
      const challenge = newNonce()
      const next = lines(socket)
      socket.write(challengeLine(challenge))
      void next().then((line) => {
        const question = parseQuestion(line)
        if (question === undefined) throw new Error('no question')
        const binding = { name: 'ring/consumer', challenge }
        const greeting = {
          ...GREETING,
          holder: `\u001b[31mred\u202e${'x'.repeat(999)}`,
          host: 'h\n',
        }
        socket.write(replyLine(KEY, binding, question, { greeting, answer: undefined }))
      })
    })
    const found = await ask(path)
    if (found.kind !== 'holder') throw new Error(`found ${found.kind}`)
    expect(found.greeting.holder).toMatch(/^\[31mred x{10,}$/)
    expect(found.greeting.holder.length).toBeLessThanOrEqual(200)
    expect(found.greeting.host).toBe('h')
  })
})

function flood(socket: net.Socket): void {
  const chunk = Buffer.alloc(1 << 16, 'x')
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
    if (!socket.destroyed) socket.once('drain', more)
  }
  more()
}

describe('a holder', () => {
  test('outlives callers that misbehave, and hangs up on them', async () => {
    const path = await holder('ring/consumer')
    const long = call(path)
    long.write(`${'x'.repeat(MAX_LINE_BYTES + 1)}\n`)
    const endless = call(path)
    flood(endless)
    const twice = call(path)
    twice.write('one\ntwo\n')
    const nonsense = call(path)
    nonsense.write('{}\n')
    await Promise.all([long, endless, twice, nonsense].map(ended))
    const found = await converse(path, {
      name: 'ring/consumer',
      readKey: reading(KEY),
      native: undefined,
    })
    expect(found.kind).toBe('holder')
  })

  test('takes no request that is longer than it may be', async () => {
    const heard: string[] = []
    const path = await holder('ring/consumer', {
      onRequest: async (said) => {
        heard.push(said)
        return ''
      },
    })
    const socket = call(path)
    const { challenge } = JSON.parse(await lines(socket)()) as { challenge: string }
    const question = { nonce: newNonce(), request: 'x'.repeat(1025) }
    socket.write(questionLine(KEY, { name: 'ring/consumer', challenge }, question))
    await ended(socket)
    expect(heard).toEqual([])
  })

  test('reads its key only for the callers that it serves, however many a flood brings', async () => {
    let reads = 0
    const key = async (): Promise<Uint8Array> => {
      reads++
      return KEY
    }
    let now = 0
    const path = await holder('ring/consumer', { key }, () => now)
    const question = JSON.stringify({ nonce: newNonce(), proof: '0'.repeat(64) })
    const floodIt = async (): Promise<void> => {
      for (let round = 0; round < 25; round++) {
        const sockets = Array.from({ length: 8 }, () => call(path))
        for (const socket of sockets) socket.write(`${question}\n`)
        await Promise.all(sockets.map(ended))
      }
    }
    await floodIt()
    expect(reads).toBeGreaterThan(0)
    expect(reads).toBeLessThanOrEqual(64)
    const before = reads
    now += 500
    await floodIt()
    expect(reads - before).toBeGreaterThan(0)
    expect(reads - before).toBeLessThanOrEqual(32)
  })

  test('has at most eight callers at a time, and none of them for longer than a second', async () => {
    const path = await holder('ring/consumer')
    const silent = Array.from({ length: 20 }, () => call(path))
    let turnedAway = 0
    for (const socket of silent) void ended(socket).then(() => turnedAway++)
    await expect.poll(() => turnedAway).toBeGreaterThanOrEqual(12)
    await expect.poll(() => turnedAway, { timeout: 5000 }).toBe(20)
    const conversation = { name: 'ring/consumer', readKey: reading(KEY), native: undefined }
    expect((await converse(path, conversation)).kind).toBe('holder')
  })

  test('hands on requests at a limited rate, even from callers that have its key', async () => {
    let heard = 0
    const onRequest = async (): Promise<string> => {
      heard++
      return 'done'
    }
    const path = await holder('ring/consumer', { onRequest }, () => 0)
    let done = 0
    for (let round = 0; round < 40; round++) {
      const found = await converse(path, {
        name: 'ring/consumer',
        readKey: reading(KEY),
        request: 'suspend',
        native: undefined,
      })
      if (found.kind === 'holder' && found.answer === 'done') done++
    }
    expect([heard, done]).toEqual([32, 32])
  })
})

test('a rate allows a burst, and then a number of requests a second', () => {
  let now = 0
  const limit = new RateLimit({ burst: 3, perSecond: 2 }, () => now)
  const taken = (): number => {
    let count = 0
    while (limit.take()) count++
    return count
  }
  expect(taken()).toBe(3)
  now += 400
  expect(taken()).toBe(0)
  now += 100
  expect(taken()).toBe(1)
  now += 1_000_000
  expect(taken()).toBe(3)
})

test('what another process says is shown without control and invisible characters', () => {
  expect(shown('a\u3164b\u2028c\u034f\u202ed\u001b[31m ')).toBe('a b c d [31m')
})
