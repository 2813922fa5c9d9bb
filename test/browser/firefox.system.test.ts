import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { Firefox, firefoxMissing } from './firefox.ts'
import { acknowledgeTwo, connect, drain, pushOn, run, shareInTurn, type Tab } from './tabs.ts'

/** Only what hangs takes so long. */
const SOON = { timeout: 30_000 }
const missing = firefoxMissing()
let firefox: Firefox

beforeAll(async () => {
  if (missing === undefined) firefox = await Firefox.start()
})
beforeEach((context) => needs(context, missing))
afterAll(async () => {
  await firefox?.[Symbol.asyncDispose]()
})

interface Conformance {
  readonly exclusive: boolean
  readonly passed: readonly string[]
  readonly failed: readonly string[]
}

async function connected(ring: string, bytes?: number): Promise<Tab> {
  return await connect(await firefox.tab(), ring, bytes)
}

test('the device passes the conformance suite', async () => {
  const tab = await firefox.tab()
  const { exclusive, passed, failed } = await tab.call<Conformance>('conformance')
  expect(failed).toEqual([])
  expect(passed.length).toBeGreaterThan(30)
  // As docs/browser.md says; a Firefox that has the other mode is one for its second tab too.
  expect(exclusive).toBe(true)
  await tab.page.close()
})

test('a second tab is told that the file is open in the first, and gets it after that', async () => {
  const [one, two] = [await connected('exclusive'), await firefox.tab()]
  await expect(connect(two, 'exclusive')).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
  await run(one, 'await ring.push("of one")')
  await one.page.close()
  const connecting = (): Promise<string> =>
    connect(two, 'exclusive').then(
      () => 'connected',
      ({ code }) => code,
    )
  await expect.poll(connecting, SOON).toBe('connected')
  expect(await run(two, 'return await take()')).toEqual(['of one'])
  await two.page.close()
})

test('a page pushes, receives and acknowledges, and the next one gets what it did not', async () => {
  const tab = await connected('simple')
  await run(tab, 'await ring.pushMany([1, 2, 3])')
  expect(await acknowledgeTwo(tab)).toEqual([1, 2, 3])
  await tab.page.close()
  const next = await connected('simple')
  expect(await run(next, 'return await take()')).toEqual([2, 3])
  await next.page.close()
})

test('what a page has pushed outlives its browser, which is killed in the middle of pushes', async () => {
  const tab = await connected('killed', 4 << 20)
  const pushed = await pushOn(tab)
  await firefox.killAndRestart()
  const next = await connected('killed', 4 << 20)
  const numbers = await drain(next)
  expect(numbers).toEqual(numbers.map((_, number) => number))
  expect(numbers.length).toBeGreaterThan(pushed)
  await next.page.close()
})

test('orders wait in an outbox while the service is down, also over a killed browser', async () => {
  const { orders, url } = firefox.server
  orders.up = false
  const first = await firefox.tab()
  await first.call('outbox', 'unsent', `${url}orders`, [{ order: 1 }, { order: 2 }])
  await expect.poll(() => orders.refused, SOON).toBeGreaterThan(2)
  await firefox.killAndRestart()
  orders.up = true
  const second = await firefox.tab()
  await second.call('outbox', 'unsent', `${url}orders`, [{ order: 3 }])
  await expect.poll(() => orders.taken.length, SOON).toBeGreaterThanOrEqual(3)
  expect(orders.taken).toEqual([{ order: 1 }, { order: 2 }, { order: 3 }])
  await second.page.close()
})

test('tabs share the ring that one of them has, and the next one has it after that', async () => {
  const shared = await shareInTurn(
    'shared',
    () => firefox.tab(),
    (first) => first.page.close(),
  )
  expect(shared).toEqual({
    together: ['of one', 'of two'],
    lost: 'RING_WORKER_LOST',
    after: ['of one', 'of two', 'after'],
  })
})
