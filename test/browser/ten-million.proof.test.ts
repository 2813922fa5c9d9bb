import { afterAll, beforeAll, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { type Running, start, temporaryFolder } from '../cli/cli.ts'
import { damage } from '../cli/tools.ts'
import { needs } from '../helpers/interop.ts'
import { attachProducer } from '../helpers/ring.ts'
import { chromiumMissing } from './chromium.ts'
import { type Browser, launch, type Page, until } from './pages.ts'

const ITEMS = 10_000_000
/** Items are as small as can be, and batches as large: what is made here is small and many. */
const IN_BATCH = 50_000
const RING_BYTES = 128 << 20
const DATA_OFFSET = 11 * 4096

const missing = chromiumMissing()
const folder = temporaryFolder()
const path = folder.file('ring')
const opened: AsyncDisposable[] = []
let browser: Browser | undefined

async function fill(): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: RING_BYTES, sparse: true })
  await Producer.create(device)
  const producer = await attachProducer(device)
  const items = Array<Uint8Array>(IN_BATCH).fill(new Uint8Array(1))
  for (let pushed = 0; pushed < ITEMS; pushed += IN_BATCH)
    expect((await producer.append(items)).status).toBe('ok')
  await producer.close()
}

function started(...args: readonly string[]): Running {
  const running = start(args)
  opened.push(running)
  return running
}

beforeAll(fill, 120_000)
afterAll(async () => {
  await browser?.close()
  for (const one of opened) await one[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function openPage(): Promise<Page> {
  const server = started('serve', path, '--listen', '127.0.0.1:0')
  let url = ''
  await server.printed((stdout) => {
    url = stdout.toString().trim()
    return url !== ''
  })
  browser = await launch()
  const page = await browser.newPage({ viewport: { width: 960, height: 800 } })
  await page.goto(url)
  return page
}

test('ten million items are counted, drawn and checked in the page, and damage among them found', async (context) => {
  needs(context, missing)
  const page = await openPage()
  const text = (selector: string): string => `document.querySelector('${selector}').textContent`
  await until(page, `${text('#answers')}.includes('10,000,000 items')`)
  await page.click('#verify')
  await until(page, `${text('#verified')} === 'sound, 10,000,000 items'`)
  // A map of so many items has no more on it than one of a few.
  expect(
    await page.evaluate<number>(`document.querySelectorAll('#map svg *').length`),
  ).toBeLessThan(100)
  // In far more places than are listed: single items of the first batch, whose bytes follow its table of 400,000.
  const items = DATA_OFFSET + 410_000
  damage(path, ...Array.from({ length: 1000 }, (_, index) => items + 30 * index))
  await page.click('#verify')
  await until(page, `${text('#verified')} === 'damaged, 9,999,000 items, 800 more findings'`)
  const listed = await page.evaluate<number>(`document.querySelectorAll('#findings li').length`)
  expect(listed).toBe(200)
  expect(
    await page.evaluate<number>(`document.querySelectorAll('#map svg *').length`),
  ).toBeLessThan(1500)
})

test('ten million items are counted and drawn in top', async () => {
  const top = started('top', path)
  await top.printed((stdout) => stdout.includes('waiting: 10,000,000 items, 9.5 MiB'))
})
