import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { json } from '../../src/codec/index.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { needs } from '../helpers/interop.ts'
import { Chromium, chromiumMissing } from './chromium.ts'

/** Only what hangs takes so long. */
const SOON = { timeout: 30_000 }
const missing = chromiumMissing()
let chromium: Chromium

beforeAll(async () => {
  if (missing === undefined) chromium = await Chromium.start()
})
beforeEach((context) => needs(context, missing))
afterAll(async () => {
  await chromium?.[Symbol.asyncDispose]()
})

interface Numbered {
  readonly number: number
}

test('the device passes the conformance suite', async () => {
  const tab = await chromium.tab()
  const { passed, failed } = await tab.call<Record<string, string[]>>('conformance')
  expect(failed).toEqual([])
  expect(passed?.length).toBeGreaterThan(35)
})

test('an item that one tab pushes is received in another, and a role has one tab', async () => {
  const [one, two] = [await chromium.tab(), await chromium.tab()]
  expect(await one.call('openWriter', 'ring', 1 << 20)).toBe(false)
  await expect(two.call('openWriter', 'ring', 1 << 20)).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
  })
  await two.call('close')
  await two.call('openReader', 'ring')
  const taken = two.call('take')
  await one.call('push', { number: 1 })
  expect(await taken).toEqual([{ number: 1 }])
  // A tab that is closed releases its role.
  await one.page.close()
  const three = await chromium.tab()
  await expect
    .poll(() => three.call('openWriter', 'ring', 1 << 20).catch(({ code }) => code), SOON)
    .toBe(false)
})

test('what a tab has pushed outlives its process, which is killed in the middle of pushes', async () => {
  let next = 0
  for (let lives = 0; lives < 3; lives++) {
    const tab = await chromium.tab()
    await tab.call('openWriter', `killed-${lives}`, 4 << 20)
    await tab.begin('pushOn')
    await expect.poll(async () => (await tab.said()).pushed ?? 0, SOON).toBeGreaterThan(20 + next)
    const { pushed = 0 } = await tab.said()
    expect(await chromium.killRenderers()).toBeGreaterThan(0)
    next += 7
    const after = await chromium.tab()
    await after.call('openReader', `killed-${lives}`)
    const items = await after.call<Numbered[]>('drain')
    expect(items.map(({ number }) => number)).toEqual(items.map((_, number) => number))
    expect(items.length).toBeGreaterThan(pushed)
    await after.call('close')
  }
})

test('a ring that Node made is used by the browser, and back with its bytes', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 128 })
  const bytesOf = async (): Promise<Uint8Array> => {
    const bytes = new Uint8Array(128 * 512)
    await device.read(0, [bytes])
    return bytes
  }
  const writer = await RingWriter.open(device, { createIfMissing: true, codec: json() })
  await writer.pushMany([
    { from: 'node', number: 1 },
    { from: 'node', number: 2 },
  ])
  await writer.close()
  const tab = await chromium.tab()
  const made = await bytesOf()
  await tab.call('put', 'from-node', [...made])
  expect(await tab.call('get', 'from-node')).toEqual([...made])

  await tab.call('openReader', 'from-node')
  expect(await tab.call('take')).toHaveLength(2)
  await tab.call('close')
  await tab.call('openWriter', 'from-node', 1 << 20)
  await tab.call('push', { from: 'browser' })
  await tab.call('close')
  await device.write(0, [new Uint8Array(await tab.call<number[]>('get', 'from-node'))])
  await using reader = await RingReader.open(device, { codec: json() })
  expect((await reader.tryReceiveMany()).map(({ item }) => item)).toEqual([{ from: 'browser' }])
})

test('a quota that is used up is told when the file is made, and not met later', async () => {
  const tab = await chromium.tab()
  await tab.call('openWriter', 'small', 1 << 20)
  await chromium.setRoom(tab, 2 << 20)
  await tab.call('push', ...Array.from({ length: 100 }, (_, number) => ({ number })))
  await tab.call('close')
  await expect(tab.call('openWriter', 'large', 8 << 20)).rejects.toMatchObject({
    code: 'BLOCK_IO',
    message: expect.stringContaining('the quota of this origin is used up'),
  })
  await chromium.setRoom(tab, undefined)
})

test('the files of a private window are its own, and gone with it', async () => {
  const [first, second] = [await chromium.privateWindow(), await chromium.privateWindow()]
  const tab = await chromium.tab(first)
  await tab.call('openWriter', 'private', 1 << 20)
  await tab.call('push', { number: 1 })
  const other = await chromium.tab(second)
  await expect(other.call('openReader', 'private')).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
  await first.close()
  await second.close()
})

test('orders wait in an outbox while the service is down, also over a killed tab', async () => {
  const { orders } = chromium.server
  orders.up = false
  const first = await chromium.tab()
  await first.call('outbox', 'unsent', `${chromium.server.url}orders`, [{ order: 1 }, { order: 2 }])
  await expect.poll(() => orders.refused, SOON).toBeGreaterThan(2)
  await chromium.killRenderers()
  orders.up = true
  const second = await chromium.tab()
  await second.call('outbox', 'unsent', `${chromium.server.url}orders`, [{ order: 3 }])
  await expect.poll(() => orders.taken.length, SOON).toBeGreaterThanOrEqual(3)
  expect(orders.taken).toEqual([{ order: 1 }, { order: 2 }, { order: 3 }])
})

test('the outbox of docs/browser.md sends what it stored', async () => {
  const { page } = await chromium.tab()
  const { orders } = chromium.server
  orders.up = true
  const stored = await page.evaluate(
    async (order) => {
      const { Worker: Dedicated } = globalThis as unknown as {
        Worker: new (
          url: string,
          options: object,
        ) => EventTarget & { postMessage(data: unknown): void }
      }
      const worker = new Dedicated('/journal-worker.js', { type: 'module' })
      // The worker listens once its outbox is open; messages wait for that.
      return await new Promise((resolve) => {
        worker.addEventListener('message', (event) => resolve((event as MessageEvent).data))
        worker.addEventListener('error', (event) =>
          resolve((event as Event & { message: string }).message),
        )
        worker.postMessage(order)
      })
    },
    { id: 7 },
  )
  expect(stored).toEqual({ stored: 7 })
  await expect.poll(() => orders.taken, SOON).toContainEqual({ id: 7 })
})
