import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { claimAddress } from '../../../src/block/claim/address.ts'
import { connectForHints } from '../../../src/block/claim/client.ts'
import { ClaimHints } from '../../../src/block/claim/hints.ts'
import { ClaimServer } from '../../../src/block/claim/server.ts'

const NAME = 'ring/consumer'
const KEY = Buffer.from('0123456789abcdef')
const readKey = async (): Promise<Uint8Array> => KEY

/** Ends what a test began. */
const endings: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

/** Counts hints, and can be waited at. */
class Hints {
  count = 0
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  readonly on = (): void => {
    this.count++
    for (const { count, resolve } of this.#waiting) if (count <= this.count) resolve()
  }

  reach(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ count, resolve }))
  }
}

let addresses = 0

interface Holder {
  readonly path: string
  readonly hints: ClaimHints
  readonly heard: Hints
  close(): Promise<void>
}

async function holder(): Promise<Holder> {
  const [path = ''] = claimAddress(`test-hints-${process.pid}`, `role-${addresses++}`).paths
  const heard = new Hints()
  const hints = new ClaimHints(heard.on)
  const server = new ClaimServer(NAME, { holder: 'it', key: readKey }, { hints })
  const close = async (): Promise<void> => {
    hints.close()
    await server.close()
  }
  endings.push(close)
  await server.listen(path)
  return { path, hints, heard, close }
}

function caller(path: string): { readonly hints: ClaimHints; readonly heard: Hints } {
  const heard = new Hints()
  const call = (): Promise<Socket | undefined> => connectForHints(path, { name: NAME, readKey })
  const hints = new ClaimHints(heard.on, { call, yields: false })
  endings.push(() => hints.close())
  hints.give()
  return { hints, heard }
}

async function rawCaller(path: string): Promise<Socket> {
  const socket = await connectForHints(path, { name: NAME, readKey })
  if (socket === undefined) throw new Error('not connected')
  socket.on('error', () => undefined)
  endings.push(() => void socket.destroy())
  return socket
}

function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once('close', () => resolve()))
}

test('each end tells the other of a change, if that expects it', async () => {
  const accepting = await holder()
  const calling = caller(accepting.path)
  // Either may have changed something before there was a connection.
  await Promise.all([accepting.heard.reach(1), calling.heard.reach(1)])
  expect([accepting.hints.connected, calling.hints.connected]).toEqual([true, true])
  for (let changes = 2; changes < 6; changes++) {
    calling.hints.expect()
    accepting.hints.give()
    await calling.heard.reach(changes)
    accepting.hints.expect()
    calling.hints.give()
    await accepting.heard.reach(changes)
  }
  expect([accepting.heard.count, calling.heard.count]).toEqual([5, 5])
})

test('who does not have the key, or asks a holder without hints, is not connected', async () => {
  const { path, hints } = await holder()
  const stranger = { name: NAME, readKey: async () => Buffer.from('fedcba9876543210') }
  expect(await connectForHints(path, stranger)).toBe(undefined)
  expect(hints.connected).toBe(false)
  const [other = ''] = claimAddress(`test-hints-${process.pid}`, `role-${addresses++}`).paths
  const onRequest = async (): Promise<string> => 'unknown request'
  const server = new ClaimServer(NAME, { holder: 'it', key: readKey, onRequest })
  endings.push(() => server.close())
  await server.listen(other)
  expect(await connectForHints(other, { name: NAME, readKey })).toBe(undefined)
  const failing = { name: NAME, readKey: () => Promise.reject(new Error('unreadable')) }
  expect(await connectForHints(path, failing)).toBe(undefined)
})

test('there is one connection: the last one counts', async () => {
  const accepting = await holder()
  const first = await rawCaller(accepting.path)
  const hungUp = ended(first)
  const calling = caller(accepting.path)
  await hungUp
  await Promise.all([accepting.heard.reach(1), calling.heard.reach(1)])
  calling.hints.expect()
  accepting.hints.give()
  await calling.heard.reach(2)
})

test('of two that call each other, each has the same connection', async () => {
  for (let times = 0; times < 20; times++) {
    const paths = [0, 1].map(
      () => claimAddress(`test-hints-${process.pid}`, `role-${addresses++}`).paths[0] ?? '',
    )
    const heard = [new Hints(), new Hints()]
    const ends = await Promise.all(
      paths.map(async (path, number) => {
        const call = (): Promise<Socket | undefined> =>
          connectForHints(paths[1 - number] ?? '', { name: NAME, readKey })
        const peer = { call, yields: number === 0 }
        const hints = new ClaimHints(heard[number]?.on ?? (() => undefined), peer)
        const server = new ClaimServer(NAME, { holder: 'it', key: readKey }, { hints })
        endings.push(async () => {
          hints.close()
          await server.close()
        })
        await server.listen(path)
        return hints
      }),
    )
    for (const end of ends) end.expect()
    await Promise.all(heard.map((each) => each.reach(1)))
    for (const [number, end] of ends.entries()) {
      const before = heard[number]?.count ?? 0
      end.expect()
      ends[1 - number]?.give()
      await heard[number]?.reach(before + 1)
    }
  }
})

test('the end of a connection is a hint', async () => {
  const accepting = await holder()
  const calling = caller(accepting.path)
  await calling.heard.reach(1)
  await accepting.close()
  await calling.heard.reach(2)
  expect(calling.hints.connected).toBe(false)
})

test('whoever calls when it is closed has no connection', async () => {
  const accepting = await holder()
  const calling = caller(accepting.path)
  calling.hints.close()
  const other = caller(accepting.path)
  await other.heard.reach(1)
  expect(calling.hints.connected).toBe(false)
})

test.each([
  ['much at once', Buffer.alloc(65, 'e')],
  ['what nobody says', Buffer.from('x')],
])('who sends %s is hung up on', async (_, bytes) => {
  const accepting = await holder()
  const socket = await rawCaller(accepting.path)
  const hungUp = ended(socket)
  socket.write(bytes)
  await hungUp
  await accepting.heard.reach(1)
  expect(accepting.hints.connected).toBe(false)
})

test('who does not stop to send is hung up on', async () => {
  const accepting = await holder()
  const socket = await rawCaller(accepting.path)
  const hungUp = ended(socket)
  let isOpen = true
  void hungUp.then(() => {
    isOpen = false
  })
  while (isOpen) {
    if (socket.writable) socket.write('e'.repeat(60))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await accepting.heard.reach(1)
})
