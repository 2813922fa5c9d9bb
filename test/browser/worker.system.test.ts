import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { Chromium, chromiumMissing } from './chromium.ts'
import { acknowledgeTwo, connect, drain, pushOn, run, shareInTurn, type Tab } from './tabs.ts'

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

/** A tab whose page is connected to a worker of its own, which serves a ring. */
async function connected(ring: string, bytes?: number): Promise<Tab> {
  return await connect(await chromium.tab(), ring, bytes)
}

test('a page pushes, receives and acknowledges, and the next one gets what it did not', async () => {
  const tab = await connected('simple')
  await run(tab, 'await ring.pushMany([1, 2, 3])')
  const stats = await run(tab, 'return await ring.status()')
  expect(stats).toMatchObject({ format: 2, waitingItems: 3 })
  expect(await acknowledgeTwo(tab)).toEqual([1, 2, 3])
  await tab.page.close()
  const next = await connected('simple')
  await expect
    .poll(() => run(next, 'return await take()').catch(({ code }) => code), SOON)
    .toEqual([2, 3])
  await next.page.close()
})

test('a page goes on after damage', async () => {
  const tab = await connected('damaged')
  await run(tab, 'for (const item of ["one", "spoilt", "three"]) await ring.push(item)')
  await tab.page.close()
  const spoiler = await chromium.tab()
  await spoiler.call('spoil', 'damaged', 'spoilt')
  await spoiler.page.close()
  const next = await connected('damaged')
  // The next producer finds what the one before had committed, damaged or not.
  const push = (): Promise<unknown> =>
    run(next, 'await ring.push("four"); return "done"').catch(({ code }) => code)
  await expect.poll(push, SOON).toBe('done')
  const found = await run(
    next,
    `
    const { parsePosition } = await import('/dist/index.js')
    const before = await take()
    const damage = await take().catch((error) => error)
    await ring.seek(parsePosition(damage.details.position))
    return [before, damage.code, await take()]`,
  )
  expect(found).toEqual([['one'], 'RING_DAMAGED', ['three', 'four']])
  await next.page.close()
})

test('what a page has pushed outlives its process, which is killed in the middle of pushes', async () => {
  const tab = await connected('killed', 4 << 20)
  const pushed = await pushOn(tab)
  expect(await chromium.killRenderers()).toBeGreaterThan(0)
  const next = await connected('killed', 4 << 20)
  const numbers = await drain(next)
  expect(numbers).toEqual(numbers.map((_, number) => number))
  expect(numbers.length).toBeGreaterThan(pushed)
  await next.page.close()
})

test('a worker that is terminated rejects what waits', async () => {
  const tab = await connected('terminated')
  const codes = await run(
    tab,
    `
    const waiting = [ring.receive(), ring.receive()]
    await ring.status()
    worker.terminate()
    const results = await Promise.allSettled([...waiting, waiting[0].catch(() => ring.push(1))])
    return results.map(({ reason }) => reason.code)`,
  )
  expect(codes).toEqual(['RING_WORKER_LOST', 'RING_WORKER_LOST', 'RING_WORKER_LOST'])
  await tab.page.close()
})

test('a script that fails, or that is not there, is told', async () => {
  const tab = await chromium.tab()
  const code = await run(
    tab,
    `
    const { RingConnection } = await import('/dist/worker/index.js')
    const worker = new Worker('/no-such-script.js', { type: 'module' })
    return await RingConnection.open(worker).catch(({ code }) => code)`,
  )
  expect(code).toBe('RING_WORKER_LOST')
  await tab.page.close()
})

test('two tabs: a role is one tab’s, and the other’s once that is closed', async () => {
  const [one, two] = [await connected('two'), await connected('two')]
  await run(one, 'await ring.push("of one")')
  await expect(run(two, 'await ring.push("of two")')).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
  })
  expect(await run(two, 'return await take()')).toEqual(['of one'])
  await one.page.close()
  const push = (): Promise<unknown> =>
    run(two, 'await ring.push("of two"); return "done"').catch(({ code }) => code)
  await expect.poll(push, SOON).toBe('done')
  expect(await run(two, 'return await take()')).toEqual(['of two'])
  await two.page.close()
})

test('pages of one worker share its ring, and a page that goes leaves its entries to the others', async () => {
  const tab = await connected('shared')
  const items = await run(
    tab,
    `
    const { RingConnection } = await import('/dist/worker/index.js')
    const { json } = await import('/dist/codec/index.js')
    await ring.pushMany([1, 2])
    const entries = await ring.receiveMany()
    const other = await RingConnection.open(worker, { codec: json() })
    const waiting = other.receiveMany()
    await entries[1].ack()
    await ring.close()
    return [entries.map(({ item }) => item), (await waiting).map(({ item }) => item)]`,
  )
  expect(items).toEqual([[1, 2], [1]])
  await tab.page.close()
})

test('a quota that is used up is told when the ring is made, and not met later', async () => {
  const tab = await connected('small')
  await chromium.setRoom(tab, 2 << 20)
  await run(tab, 'await ring.pushMany(Array.from({ length: 100 }, (_, number) => ({ number })))')
  await expect(connected('large', 8 << 20)).rejects.toMatchObject({
    name: 'BlockError',
    code: 'BLOCK_IO',
    message: expect.stringContaining('the quota of this origin is used up'),
  })
  await chromium.setRoom(tab, undefined)
  await tab.page.close()
})

test('the page of docs/browser.md sends what a killed tab had pushed', async () => {
  const { orders } = chromium.server
  orders.up = true
  const first = await chromium.tab()
  await run(
    first,
    `
    const page = await import('/page.js')
    await page.order({ id: 'of a killed tab' })`,
  )
  await chromium.killRenderers()
  const second = await chromium.tab()
  await run(
    second,
    `
    const page = await import('/page.js')
    await page.order({ id: 'of the next' })
    void page.send()`,
  )
  await expect
    .poll(() => orders.taken, SOON)
    .toEqual([{ id: 'of a killed tab' }, { id: 'of the next' }])
  await second.page.close()
})

test.for([
  ['is closed', (first) => first.page.close()],
  ['crashes', (first) => chromium.crash(first)],
] as const satisfies readonly (readonly [string, (first: Tab) => Promise<unknown>])[])(
  'tabs share the ring that one of them has, and the next one has it after that %s',
  async ([how, goes]) => {
    const shared = await shareInTurn(`shared-${how.replace(' ', '-')}`, () => chromium.tab(), goes)
    expect(shared).toEqual({
      together: ['of one', 'of two'],
      lost: 'RING_WORKER_LOST',
      after: ['of one', 'of two', 'after'],
    })
  },
)
