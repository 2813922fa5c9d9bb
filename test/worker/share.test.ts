import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { RingConnection } from '../../src/worker/index.ts'
import { FakeLocks, item, LastingDevice, TestWorker, texts } from './worker.ts'

/** Only what hangs takes so long. */
const SOON = { timeout: 30_000 }

/** Tabs of one origin: each has a worker that could serve their ring, and a page. */
class Tabs implements AsyncDisposable {
  readonly locks: FakeLocks = new FakeLocks()
  readonly name: string = randomUUID()
  readonly device: LastingDevice = new LastingDevice()
  readonly opened: string[] = []
  readonly #workers: TestWorker[] = []

  worker(tab: string): TestWorker {
    const open = (): LastingDevice => {
      this.opened.push(tab)
      return this.device
    }
    const options = { sharedAs: this.name, locks: this.locks.of(`worker of ${tab}`), open }
    const worker = new TestWorker(options)
    this.#workers.push(worker)
    return worker
  }

  page(worker: TestWorker, tab: string): Promise<RingConnection> {
    return worker.page({ locks: this.locks.of(`page of ${tab}`) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker[Symbol.asyncDispose]()
  }
}

test('all tabs use the ring of the first one’s worker', async () => {
  await using tabs = new Tabs()
  const workers = ['one', 'two', 'three'].map((tab) => tabs.worker(tab))
  const pages = await Promise.all(
    workers.map((worker, index) => tabs.page(worker, ['one', 'two', 'three'][index] ?? '')),
  )
  expect(tabs.opened).toEqual(['one'])
  await Promise.all(pages.map((page, index) => page.push(item(`of ${index}`))))
  expect(await pages[2]?.status()).toMatchObject({ waitingItems: 3 })
  const taken = await Promise.all(pages.map((page) => page.receive()))
  expect([...texts(taken)].sort()).toEqual(['of 0', 'of 1', 'of 2'])
  await Promise.all(taken.map(({ ack }) => ack()))
  expect(await pages[1]?.status()).toMatchObject({ waitingItems: 0 })
})

test('unacknowledged items of another tab’s page go to the others when it crashes or is closed', async () => {
  await using tabs = new Tabs()
  const one = await tabs.page(tabs.worker('one'), 'one')
  const two = await tabs.page(tabs.worker('two'), 'two')
  const three = await tabs.page(tabs.worker('three'), 'three')
  await two.pushMany(['a', 'b', 'c'].map(item))
  const [, b] = await two.receiveMany({ maxItems: 2 })
  await b?.ack()
  expect(texts([await three.receive()])).toEqual(['c'])
  const waiting = one.receiveMany()
  tabs.locks.crash('page of two')
  expect(texts(await waiting)).toEqual(['a'])
  const more = one.receive()
  await three.close()
  expect(texts([await more])).toEqual(['c'])
})

test.each(['crashes', 'is closed'] as const)(
  'waiting calls reject when the tab with the ring %s, and another tab gets the ring',
  async (how) => {
    await using tabs = new Tabs()
    const first = tabs.worker('one')
    await tabs.page(first, 'one')
    const second = tabs.worker('two')
    const page = await tabs.page(second, 'two')
    await page.push(item('a'))
    const entry = await page.receive()
    const waiting = page.receive()
    waiting.catch(() => undefined)
    if (how === 'crashes') {
      // As a browser does: its locks end with it, and its roles.
      tabs.locks.crash('page of one')
      tabs.locks.crash('worker of one')
    }
    await first[Symbol.asyncDispose]()
    const code = 'RING_WORKER_LOST'
    await expect(waiting).rejects.toMatchObject({ code })
    await expect(entry.ack()).rejects.toMatchObject({ code })
    await expect
      .poll(() => tabs.page(second, 'two').then(() => tabs.opened), SOON)
      .toEqual(['one', 'two'])
    const again = await tabs.page(second, 'two')
    expect(texts([await again.receive()])).toEqual(['a'])
  },
)

test('a page whose own worker is closed is not told that its push is not in the ring', async () => {
  await using tabs = new Tabs()
  await tabs.page(tabs.worker('one'), 'one')
  const second = tabs.worker('two')
  const page = await tabs.page(second, 'two')
  await page.push(item('a'))
  let goOn = (): void => undefined
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const writing = new Promise<void>((resolve) => {
    tabs.device.before = ({ operation }) => {
      if (operation !== 'write') return undefined
      resolve()
      return held
    }
  })
  const pushed = page.push(item('b'))
  pushed.catch(() => undefined)
  await writing
  await second.server.close()
  await expect(pushed).rejects.toMatchObject({ code: 'RING_WORKER_LOST' })
  goOn()
})

test('messages of a page after its end are ignored, even once its worker is closed', async () => {
  await using tabs = new Tabs()
  await tabs.page(tabs.worker('one'), 'one')
  const second = tabs.worker('two')
  const page = await tabs.page(second, 'two')
  await page.push(item('a'))
  tabs.locks.crash('page of two')
  // By then the worker has heard of it.
  await tabs.page(second, 'another')
  const late = [page.push(item('b')), page.status()]
  const results = Promise.allSettled(late)
  await second.server.close()
  expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

test('a page that is one too many is refused', async () => {
  await using tabs = new Tabs()
  await tabs.page(tabs.worker('one'), 'one')
  using channel = new DisposableChannel(`shared-block-ring:serves:${tabs.name}`)
  for (let id = 0; id < 1024; id++) channel.say({ from: `page ${id}`, hello: { version: 1 } })
  const connecting = tabs.page(tabs.worker('two'), 'two')
  await expect(connecting).rejects.toMatchObject({ code: 'RING_WORKER_LOST' })
})

test('a page that asks while no tab has the ring is served by the next one that has it', async () => {
  await using tabs = new Tabs()
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const lock = `shared-block-ring:serves:${tabs.name}`
  const other = tabs.locks.of('something').request(lock, {}, () => held)
  const [one, two] = [tabs.worker('one'), tabs.worker('two')]
  const connecting = [tabs.page(one, 'one'), tabs.page(two, 'two')]
  release()
  await other
  const pages = await Promise.all(connecting)
  await Promise.all(pages.map((page) => page.push(item('x'))))
  expect(tabs.opened).toHaveLength(1)
  expect(await pages[0]?.status()).toMatchObject({ waitingItems: 2 })
})

test('the workers survive any message of a script of the origin', async () => {
  await using tabs = new Tabs()
  const one = await tabs.page(tabs.worker('one'), 'one')
  const two = await tabs.page(tabs.worker('two'), 'two')
  using channel = new DisposableChannel(`shared-block-ring:serves:${tabs.name}`)
  const heard: unknown[] = []
  channel.hear((data) => heard.push(data))
  const said = [
    null,
    'text',
    {},
    { leads: 'yes' },
    { leads: true },
    { from: 7, hello: {} },
    { from: 'x', hello: { version: 'new' } },
    { from: 'x', hello: { version: 99 } },
    { from: 'y', hello: { version: 1, lock: 'held by nobody' } },
    { from: 'z', hello: { version: 1 } },
    { from: 'z', data: { id: 0, call: 'receive' } },
    { from: 'nobody', data: { id: 1, call: 'push', items: [] } },
    { to: 'nobody', data: { gone: {} } },
    { to: 'x'.repeat(1000), data: 1 },
  ]
  for (const message of said) channel.say(message)
  await two.push(item('still'))
  expect(texts([await one.receive()])).toEqual(['still'])
  const gone = { gone: expect.objectContaining({ code: 'RING_WORKER_LOST' }) }
  await expect.poll(() => heard, SOON).toContainEqual({ to: 'x', data: gone })
  expect(heard).toContainEqual({ to: 'z', data: gone })
})

/** A channel as any script of the origin can open one. */
class DisposableChannel implements Disposable {
  readonly #channel: InstanceType<typeof BroadcastChannel>

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name)
  }

  hear(listener: (data: unknown) => void): void {
    this.#channel.onmessage = (event: unknown) => listener((event as MessageEvent).data)
  }

  say(message: unknown): void {
    this.#channel.postMessage(message)
  }

  [Symbol.dispose](): void {
    this.#channel.close()
  }
}
