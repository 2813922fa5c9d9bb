import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { MessagePort } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { json } from '../../src/codec/index.ts'
import { BlockError, isCodecError, isRingError, RingError } from '../../src/errors.ts'
import type { WriterEvent } from '../../src/index.ts'
import { parsePosition } from '../../src/ring/shared/position-text.ts'
import { RingConnection, RingServer } from '../../src/worker/index.ts'
import type { WorkerLocks } from '../../src/worker/locks.ts'
import { MAX_CALLS } from '../../src/worker/protocol.ts'
import { deviceBytes } from '../helpers/golden.ts'
import { ClaimedDevice, FakeLocks, item, LastingDevice, TestWorker, texts } from './worker.ts'

/** Whether a promise has settled, once all that is under way had its turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  promise.then(settle, settle)
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  return settled
}

test('a text in place of an array of items is refused', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  await expect(page.pushMany('abc' as unknown as Uint8Array[])).rejects.toThrow(
    'pushMany takes an array of items, not a text; use push',
  )
})

test('a page pushes, receives, and acknowledges in any order', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  const positions = await Promise.all(['a', 'b', 'c'].map((text) => page.push(item(text))))
  expect([...positions].sort()).toEqual(positions)
  expect(await page.status()).toMatchObject({ format: 2, waitingItems: 3, waitingBytes: 3 })

  const entries = await page.receiveMany()
  expect(texts(entries)).toEqual(['a', 'b', 'c'])
  expect(entries.map(({ position }) => position)).toEqual(positions)
  const [first, , third] = entries
  expect(first).toMatchObject({ number: 1, storedBytes: 1, pushedAt: expect.any(Number) })
  await third?.ack()
  expect((await page.status()).waitingItems).toBe(3)
  await first?.ack()
  await first?.ack()
  expect((await page.status()).waitingItems).toBe(2)
  await page.close()
  await page.close()
  await expect(page.push(item('d'))).rejects.toMatchObject({ code: 'RING_CLOSED' })

  // Only what was not acknowledged comes again.
  const next = await worker.page()
  expect(texts([await next.receive()])).toEqual(['b'])
})

test('pages go on after damage, each as it learns of it', async () => {
  await using worker = new TestWorker()
  const [page, other] = [await worker.page(), await worker.page()]
  for (const text of ['a', 'spoilt', 'spoilt too', 'b']) await page.push(item(text))
  await page.close()
  const image = await deviceBytes(worker.device)
  for (const text of ['spoilt', 'spoilt too']) image[Buffer.from(image).indexOf(text)] = 0
  await worker.device.write(0, [image])

  const next = await worker.page()
  await expect(next.seek(parsePosition('9:9'))).rejects.toThrow(RangeError)
  await expect(next.seek('1:2' as never)).rejects.toThrow(TypeError)
  const a = await next.receive()
  for (const damaged of ['first', 'second']) {
    const failed = [next, other].map((each) => each.receive())
    for (const each of failed) await expect(each).rejects.toMatchObject({ code: 'RING_DAMAGED' })
    const damage = await other.receive().catch((error: unknown) => error)
    if (!isRingError(damage)) throw damage
    const behind = parsePosition(damage.details.position ?? '')
    await Promise.all([next.seek(behind), other.seek(behind)])
    expect((await next.status()).waitingItems).toBe(4)
    if (damaged === 'first') continue
    const b = await other.receive()
    expect(texts([a, b])).toEqual(['a', 'b'])
    // Where another page had it go on, it does not go back.
    await next.seek(behind)
    expect(await isSettled(next.receive({ signal: AbortSignal.timeout(1000) }))).toBe(false)
    await b.ack()
    await a.ack()
    expect((await next.status()).waitingItems).toBe(0)
  }
})

test('a loop receives what is pushed while it waits', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  const received: string[] = []
  const loop = (async () => {
    for await (const entry of page) {
      received.push(...texts([entry]))
      await entry.ack()
      if (received.length === 2) return
    }
  })()
  await page.push(item('one'))
  await page.push(item('two'))
  await loop
  expect(received).toEqual(['one', 'two'])
})

test('a loop ends without an error when its signal is aborted, or the connection is closed', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  await page.pushMany([item('one'), item('two')])
  const stop = new AbortController()
  const received: string[] = []
  for await (const entry of page.entries({ signal: stop.signal })) {
    received.push(...texts([entry]))
    if (received.length === 2) setImmediate(() => stop.abort(new Error('enough')))
  }
  expect(received).toEqual(['one', 'two'])
  const waiting = page.entries()[Symbol.asyncIterator]().next()
  await page.close()
  expect(await waiting).toEqual({ done: true, value: undefined })
  const other = await worker.page()
  const lost = other.entries()
  const over = expect(
    (async () => {
      for await (const entry of lost) received.push(...texts([entry]))
    })(),
  ).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await worker.server.close()
  await over
})

test('a push resolves when it is durable, and not before', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  await page.push(item('opens the writer'))
  let goOn = (): void => undefined
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  worker.device.before = ({ operation }) => (operation === 'write' ? held : undefined)
  const pushed = page.push(item('held'))
  expect(await isSettled(pushed)).toBe(false)
  goOn()
  await pushed
})

test('an item is pushed as it was at the call, and a view takes nothing else with it', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  const memory = new Uint8Array([1, 2, 3, 4, 5])
  const pushed = page.pushMany([memory.subarray(1, 3), memory, memory.subarray(2, 2)])
  memory.fill(9)
  await pushed
  expect(memory).toHaveLength(5)
  const entries = await page.receiveMany()
  expect(entries.map((entry) => [...entry.item])).toEqual([[2, 3], [1, 2, 3, 4, 5], []])
  for (const entry of entries) expect(entry.item.buffer.byteLength).toBe(entry.item.length)
})

test('the page has the codec, and skips what does not decode', async () => {
  await using worker = new TestWorker()
  const bytes = await worker.page()
  await bytes.pushMany([item('{"a":1}'), item('{'), item('{"b":2}')])
  await bytes.close()
  const page = await RingConnection.open(worker.target, { codec: json<object>() })
  const circle: { self?: object } = {}
  circle.self = circle
  await expect(page.push(circle)).rejects.toMatchObject({ code: 'CODEC_ENCODE' })

  const [first, ...none] = await page.receiveMany()
  expect(first?.item).toEqual({ a: 1 })
  expect(none).toEqual([])
  const error = await page.receive().catch((thrown: unknown) => thrown)
  if (!isCodecError(error)) throw error
  expect(error).toMatchObject({ code: 'CODEC_DECODE', details: { codec: 'JSON' } })
  expect(texts([{ item: error.details.bytes ?? new Uint8Array() }])).toEqual(['{'])
  const last = await page.receive()
  expect(last.item).toEqual({ b: 2 })
  await Promise.all([last.ack(), error.ack?.(), first?.ack()])
  expect((await page.status()).waitingItems).toBe(0)
})

test('a codec that takes its time lets no later push overtake', async () => {
  await using worker = new TestWorker()
  const waits = [30, 0, 10]
  const codec = {
    name: 'slow',
    encode: async (text: string) => {
      await new Promise((resolve) => setTimeout(resolve, waits.shift()))
      return item(text)
    },
    decode: async (bytes: Uint8Array) => texts([{ item: bytes }])[0] ?? '',
  }
  const page = await RingConnection.open(worker.target, { codec })
  await Promise.all(['a', 'b', 'c'].map((text) => page.push(text)))
  expect((await page.receiveMany()).map((entry) => entry.item)).toEqual(['a', 'b', 'c'])
})

test('neither a signal nor close waits for a codec that never finishes', async () => {
  await using worker = new TestWorker()
  const codec = {
    name: 'stuck',
    encode: (text: string) => (text === 'stuck' ? new Promise<never>(() => undefined) : item(text)),
    decode: (bytes: Uint8Array) => bytes,
  }
  const page = await RingConnection.open(worker.target, { codec })
  const stop = new AbortController()
  const stuck = page.push('stuck', { signal: stop.signal })
  const later = page.push('later')
  expect(await isSettled(stuck)).toBe(false)
  stop.abort(new Error('enough'))
  await expect(stuck).rejects.toThrow('enough')
  await later
  const closed = [page.push('stuck'), page.push('after it')]
  const results = Promise.allSettled(closed)
  expect(await isSettled(results)).toBe(false)
  await page.close()
  const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'RING_CLOSED' }) }
  expect(await results).toEqual([refused, refused])
  expect(texts(await (await worker.page()).receiveMany())).toEqual(['later'])
})

test('errors cross with their type, code and details', async () => {
  const open = async (): Promise<never> => {
    const cause = new RangeError('of a reason')
    throw new BlockError('BLOCK_OPEN', 'no file', { device: 'x', sector: 7 }, { cause })
  }
  await using closed = new TestWorker({ open })
  const refused = await closed.page().catch((thrown: unknown) => thrown)
  expect(refused).toBeInstanceOf(BlockError)
  expect(refused).toMatchObject({
    code: 'BLOCK_OPEN',
    message: 'no file',
    details: { device: 'x', sector: 7 },
  })

  await using blank = new TestWorker({ createIfMissing: false })
  const page = await blank.page()
  const error = await page.push(item('a')).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(RingError)
  expect(error).toMatchObject({
    code: 'RING_NOT_INITIALISED',
    details: { expected: expect.any(String) },
  })
  // The next call tries again.
  await using other = new TestWorker({}, blank.device)
  await (await other.page()).push(item('a'))
  await other.server.close()
  await page.push(item('b'))

  const large = new Uint8Array(1 << 20)
  await expect(page.push(large)).rejects.toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
  await expect(page.receiveMany({ maxItems: 0 })).rejects.toThrow(RangeError)
  await expect(page.push('text' as unknown as Uint8Array)).rejects.toMatchObject({
    code: 'CODEC_ENCODE',
  })
})

test('a writer that failed is replaced, and its unwritten pushes reject', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  await page.push(item('a'))
  worker.device.before = ({ operation }) => {
    if (operation !== 'read') throw new BlockError('BLOCK_IO', 'broken', { device: 'x' })
  }
  await expect(page.push(item('b'))).rejects.toMatchObject({ code: 'BLOCK_IO' })
  await expect(page.push(item('c'))).rejects.toMatchObject({ code: 'RING_POISONED' })
  worker.device.before = () => undefined
  await page.push(item('d'))
  expect(texts(await page.receiveMany())).toEqual(['a', 'd'])
})

test('a reader that failed is replaced, even for a page with as many entries as it may have', async () => {
  await using worker = new TestWorker({ maxUnacked: 2 })
  const page = await worker.page()
  await page.pushMany(['a', 'b', 'c'].map(item))
  const [a, b] = await page.receiveMany()
  const waiting = page.receiveMany()
  waiting.catch(() => undefined)
  expect(await isSettled(waiting)).toBe(false)
  worker.device.before = ({ operation }) => {
    if (operation !== 'read') throw new BlockError('BLOCK_IO', 'broken', { device: 'x' })
  }
  await expect(a?.ack()).rejects.toMatchObject({ code: 'BLOCK_IO' })
  worker.device.before = () => undefined
  await expect(waiting).rejects.toMatchObject({ code: 'RING_CLOSED' })
  const again = await page.receiveMany()
  expect(texts(again)).toEqual(['a', 'b'])
  // What the former reader delivered cannot be acknowledged, and does not count any more.
  await expect(b?.ack()).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await Promise.all(again.map(({ ack }) => ack()))
  expect(texts(await page.receiveMany())).toEqual(['c'])
})

test('a role that takes time to be released is not taken before', async () => {
  await using worker = new TestWorker({}, new ClaimedDevice())
  const [one, two] = [await worker.page(), await worker.page()]
  await one.push(item('a'))
  worker.device.before = ({ operation }) => {
    if (operation !== 'read') throw new BlockError('BLOCK_IO', 'broken', { device: 'x' })
  }
  await expect(one.push(item('b'))).rejects.toMatchObject({ code: 'BLOCK_IO' })
  worker.device.before = () => undefined
  const pushes = [one.push(item('c'))]
  pushes[0]?.catch(() => undefined)
  let hasWriter = false
  // The ports decide how many turns of the event loop it takes until the next writer has the role.
  while (!hasWriter) {
    const pushed = two.push(item('d'))
    pushed.then(
      () => {
        hasWriter = true
      },
      () => undefined, // It is checked below.
    )
    pushes.push(pushed)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const results = await Promise.allSettled(pushes)
  const refused = results.flatMap((each) => (each.status === 'rejected' ? each.reason.code : []))
  // Pushes before the next writer are refused because the last one ended, never because its role is still taken.
  expect(new Set(refused)).toEqual(new Set(['RING_POISONED']))
})

test.each(['is closed', 'crashes'] as const)(
  'unacknowledged items of a page that %s go to another one that waits',
  async (how) => {
    const locks = new FakeLocks()
    await using worker = new TestWorker({ locks: locks.of('worker') })
    const first = await worker.page({ locks: locks.of('first') })
    await first.pushMany(['a', 'b', 'c', 'd'].map(item))
    const [a, b, c] = await first.receiveMany({ maxItems: 3 })
    await b?.ack()
    expect(texts([a, c].flatMap((entry) => entry ?? []))).toEqual(['a', 'c'])
    const second = await worker.page({ locks: locks.of('second') })
    expect(texts([await second.receive()])).toEqual(['d'])
    const waiting = second.receiveMany()
    expect(await isSettled(waiting)).toBe(false)
    if (how === 'is closed') await first.close()
    else locks.crash('first')
    expect(texts(await waiting)).toEqual(['a', 'c'])
    // They are the second page's now.
    await expect(a?.ack()).rejects.toThrow(RingError)
  },
)

test('waiting calls reject when the worker ends without a word, and so do later ones', async () => {
  const locks = new FakeLocks()
  const device = new LastingDevice()
  const worker = new TestWorker({ locks: locks.of('worker') }, device)
  const page = await worker.page({ locks: locks.of('page') })
  await page.push(item('a'))
  const entry = await page.receive()
  device.before = () => new Promise<void>(() => undefined)
  const waiting = [page.push(item('b')), page.receive(), page.status(), entry.ack()]
  const results = Promise.allSettled(waiting)
  locks.crash('worker')
  const lost = { status: 'rejected', reason: expect.any(RingError) }
  expect(await results).toEqual([lost, lost, lost, lost])
  for (const waited of waiting)
    await expect(waited).rejects.toMatchObject({ code: 'RING_WORKER_LOST' })
  await expect(page.push(item('c'))).rejects.toMatchObject({ code: 'RING_WORKER_LOST' })
  await page.close()
})

test('a server that is closed says so, and releases the roles', async () => {
  const worker = new TestWorker()
  const page = await worker.page()
  await page.push(item('a'))
  const waiting = page.receiveMany()
  await waiting
  const more = page.receive()
  more.catch(() => undefined)
  await worker.server.close()
  await worker.server.close()
  await expect(more).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await expect(page.status()).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await using next = new TestWorker({}, worker.device)
  expect(texts([await (await next.page()).receive()])).toEqual(['a'])
  await worker[Symbol.asyncDispose]()
})

test('a server that is closed answers the push that is being written, and rejects the others', async () => {
  const worker = new TestWorker()
  const page = await worker.page()
  await page.push(item('a'))
  let goOn = (): void => undefined
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  worker.device.before = ({ operation }) => (operation === 'write' ? held : undefined)
  const written = page.push(item('written'))
  expect(await isSettled(written)).toBe(false)
  const queued = page.push(item('queued'))
  expect(await isSettled(queued)).toBe(false)
  const closing = worker.server.close()
  await expect(queued).rejects.toMatchObject({ code: 'RING_CLOSED' })
  expect(await isSettled(written)).toBe(false)
  goOn()
  await written
  await closing
  await expect(page.status()).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await using next = new TestWorker({}, worker.device)
  expect(texts(await (await next.page()).receiveMany())).toEqual(['a', 'written'])
  await worker[Symbol.asyncDispose]()
})

test('a server releases its lock though the device fails to close', async () => {
  class Stubborn extends LastingDevice {
    override async disconnect(): Promise<void> {
      throw new BlockError('BLOCK_IO', 'broken', { device: 'x' })
    }
  }
  const locks = new FakeLocks()
  await using worker = new TestWorker({ locks: locks.of('worker') }, new Stubborn())
  const page = await worker.page({ locks: locks.of('page') })
  await page.push(item('a'))
  await worker.server.close()
  // The page learns of it in either way.
  await expect(page.push(item('b'))).rejects.toThrow(RingError)
})

test('a signal ends the waiting: then nothing was pushed, and no entry is lost', async () => {
  await using worker = new TestWorker({}, new LastingDevice(128))
  const page = await worker.page()
  const filler = new Uint8Array(3000)
  const full = new AbortController()
  const hear = (event: unknown): void => {
    if ((event as WriterEvent).event === 'blocked') full.abort()
  }
  subscribe('shared-block-ring:writer', hear)
  let pushed = 0
  while (!full.signal.aborted) {
    await page.push(filler, { signal: full.signal }).then(
      () => pushed++,
      () => undefined,
    )
  }
  unsubscribe('shared-block-ring:writer', hear)
  const stop = new AbortController()
  const waiting = page.push(item('never'), { signal: stop.signal })
  stop.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  await expect(page.push(item('x'), { signal: stop.signal })).rejects.toThrow('enough')
  expect((await page.status()).waitingItems).toBe(pushed)

  for (let left = pushed; left > 0; left--) await (await page.receive()).ack()
  const ending = new AbortController()
  const receiving = page.receive({ signal: ending.signal })
  ending.abort(new Error('no more'))
  await expect(receiving).rejects.toThrow('no more')
  await page.push(item('kept'))
  expect(texts([await page.receive()])).toEqual(['kept'])
})

test('closing rejects waiting pushes, which are then not in the ring', async () => {
  const worker = new TestWorker({}, new LastingDevice(128))
  const page = await worker.page()
  const pushes = Array.from({ length: 40 }, () => page.push(new Uint8Array(3000)))
  const settled = Promise.allSettled(pushes)
  await pushes[0]
  const receiving = page.receiveMany({ maxItems: 1 })
  await receiving
  await page.close()
  const results = await settled
  const done = results.filter(({ status }) => status === 'fulfilled').length
  for (const result of results) {
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'RING_CLOSED' })
  }
  expect(done).toBeLessThan(40)
  const next = await worker.page()
  expect((await next.status()).waitingItems).toBe(done)
  await worker[Symbol.asyncDispose]()
})

test('waiting calls are bounded on both sides', async () => {
  await using worker = new TestWorker({ maxUnacked: 2 })
  const page = await worker.page({ maxQueuedItems: 3, maxQueuedBytes: 100 })
  const three = page.pushMany(['a', 'b', 'c'].map(item))
  await expect(page.push(item('d'))).rejects.toMatchObject({
    code: 'RING_OVERLOADED',
    details: { found: '4 items of 4 bytes' },
  })
  await three
  await expect(page.push(new Uint8Array(101))).rejects.toMatchObject({ code: 'RING_OVERLOADED' })

  const entries = await page.receiveMany()
  expect(texts(entries)).toEqual(['a', 'b'])
  const waiting = page.receiveMany()
  expect(await isSettled(waiting)).toBe(false)
  await entries[1]?.ack()
  expect(texts(await waiting)).toEqual(['c'])
})

test('a page has no more calls without an answer than its worker takes', async () => {
  const { port1, port2 } = new MessageChannel()
  const calls: unknown[] = []
  port2.addEventListener('message', (event) => {
    const { port } = (event as MessageEvent).data as { readonly port: MessagePort }
    port.on('message', ({ id, call }: { readonly id: number; readonly call: string }) => {
      if (calls.push(call) === 1 || call === 'close') port.postMessage({ id, value: undefined })
    })
  })
  port2.start()
  const page = await RingConnection.open(port1)
  const waiting = Array.from({ length: MAX_CALLS }, () => page.status())
  await expect(waiting.at(-1)).rejects.toMatchObject({ code: 'RING_OVERLOADED' })
  const results = Promise.allSettled(waiting)
  await page.close()
  expect((await results).every(({ status }) => status === 'rejected')).toBe(true)
  expect(calls).toHaveLength(MAX_CALLS + 1)
  port1.close()
})

test('a page that may hold no lock is served as one of a browser that has none', async () => {
  const locks: WorkerLocks = { request: () => Promise.reject(new Error('not in this origin')) }
  await using worker = new TestWorker({ locks })
  await using page = await worker.page({ locks })
  await page.push(item('a'))
  expect(texts([await page.receive()])).toEqual(['a'])
})

test('options are checked before anything happens', async () => {
  await using worker = new TestWorker()
  const { port1, port2 } = new MessageChannel()
  const target = worker.target
  expect(() => new RingServer(port2, {} as never)).toThrow(TypeError)
  expect(() => new RingServer(port2, { open: () => worker.device, maxUnacked: 0 })).toThrow(
    RangeError,
  )
  expect(() => new RingServer(port2, { open: () => worker.device, extra: 1 } as never)).toThrow(
    'extra',
  )
  const open = (): LastingDevice => worker.device
  expect(() => new RingServer(port2, { open, writer: { maxPollMs: 0 } })).toThrow(RangeError)
  expect(() => new RingServer(port2, { open, reader: { maxUnacked: Number.NaN } })).toThrow(
    RangeError,
  )
  expect(() => new RingServer(port2, { open, reader: { onDamge: 'skip' } as never })).toThrow(
    'onDamge',
  )
  const misspelt = { open, createIfMissing: { onFul: 'wait' } as never }
  expect(() => new RingServer(port2, misspelt)).toThrow(
    'RingServer: createIfMissing has no option onFul',
  )
  expect(() => new RingServer(port2, { open, createIfMissing: { format: 3 as never } })).toThrow(
    'format',
  )
  await expect(RingConnection.open(undefined as never)).rejects.toThrow(TypeError)
  await expect(RingConnection.open(target, { maxQueuedItems: 0 })).rejects.toThrow(RangeError)
  await expect(RingConnection.open(target, { maxQueuedItems: 65_537 })).rejects.toThrow(RangeError)
  await expect(RingConnection.open(target, { maxQueuedItems: Number.NaN })).rejects.toThrow(
    RangeError,
  )
  await expect(RingConnection.open(target, { maxQueuedBytes: Number.NaN })).rejects.toThrow(
    RangeError,
  )
  const aborted = AbortSignal.abort(new Error('not now'))
  await expect(RingConnection.open(target, { signal: aborted })).rejects.toThrow('not now')
  // Nobody serves this one.
  const silent = RingConnection.open(port1, { signal: AbortSignal.timeout(50) })
  await expect(silent).rejects.toThrow('timeout')
  port1.close()
})
