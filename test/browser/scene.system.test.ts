import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { crc32, deflateSync, inflateSync } from 'node:zlib'
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest'
import { type Running, start, temporaryFolder } from '../cli/cli.ts'
import { damage } from '../cli/tools.ts'
import { needs } from '../helpers/interop.ts'
import { chromiumMissing } from './chromium.ts'
import { type Browser, launch, type Page, until } from './pages.ts'

// What a person is asked at three in the morning, answered from the page alone and from `sbr top` alone: rings with
// programs at work, one of which is stuck, one almost full, one damaged. With SBR_IMAGES=1 (npm run images) it also
// makes the pictures of the documentation.

const IMAGES = fileURLToPath(new URL('../../docs/images', import.meta.url))
const isDrawing = process.env['SBR_IMAGES'] === '1'
/** Charts have something to show then. */
const DRAWING_MS = 75_000
/** Items that wait for a consumer that is at work: for as long as the test looks. */
const BACKLOG = isDrawing ? 1800 : 500
const BLOCK = 4096
/** Rates are of the last seconds, and begin with those of before the page came. */
const SOON = { timeout: 20_000 }

const missing = chromiumMissing()
const folder = temporaryFolder()
const at = (name: string): string => folder.file(`${name}.img`)
/** As they are called in the folder. */
const names = ['audit.img', 'billing.img', 'mails.img', 'orders.img']
let scene: ChildProcess | undefined
let serving: Running | undefined
let top: Running | undefined
let browser: Browser | undefined
let url = ''

beforeAll(async () => {
  if (missing !== undefined) return
  const program = fileURLToPath(new URL('scene.mjs', import.meta.url))
  scene = spawn(process.execPath, [program, folder.path, `${BACKLOG}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (scene.stdout !== null) await once(scene.stdout, 'data')
  damage(at('audit'), 12_288 + 3 * BLOCK + 50, 11 * BLOCK + 20 * BLOCK)
  top = start(['top', ...names], {}, folder.path)
  serving = start(['serve', ...names, '--listen', '127.0.0.1:0'], {}, folder.path)
  await serving.printed((stdout) => {
    url = stdout.toString().trim()
    return url !== ''
  })
  browser = await launch()
  if (isDrawing) await sleep(DRAWING_MS)
}, 120_000 + DRAWING_MS)

afterAll(async () => {
  await browser?.close()
  await serving?.[Symbol.asyncDispose]()
  await top?.[Symbol.asyncDispose]()
  scene?.kill('SIGKILL')
  folder[Symbol.dispose]()
})

interface Look {
  readonly width?: number
  readonly height?: number
  readonly colorScheme?: 'light' | 'dark'
}

async function open(context: TestContext, hash: string, look: Look = {}): Promise<Page> {
  needs(context, missing)
  if (browser === undefined) throw new Error('there is no browser')
  const { width = 960, height = 920, colorScheme = 'light' } = look
  const page = await browser.newPage({ viewport: { width, height }, colorScheme })
  await page.goto(url + hash)
  await until(page, `document.querySelector('#status').textContent.startsWith('live')`)
  return page
}

/** Answers as they stand on the page, by their titles, once they are measured. */
async function answers(page: Page): Promise<Readonly<Record<string, string>>> {
  await until(page, `!document.querySelector('#answers').textContent.includes('being measured')`)
  return Object.fromEntries(
    await page.evaluate<readonly (readonly [string, string])[]>(
      `[...document.querySelectorAll('#answers > div')].map((card) =>
        [card.querySelector('dt').textContent, card.className + ': ' + card.querySelector('strong').textContent])`,
    ),
  )
}

async function picture(page: Page, name: string): Promise<void> {
  if (!isDrawing) return
  mkdirSync(IMAGES, { recursive: true })
  writeFileSync(join(IMAGES, `${name}.png`), smaller(await page.screenshot({ type: 'png' })))
}

/** The same picture, compressed as well as can be: Chromium is in a hurry. */
function smaller(png: Buffer): Buffer {
  const parts: Buffer[] = []
  const pixels: Buffer[] = []
  const part = (type: string, bytes: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), bytes])
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(bytes.length, 0)
    frame.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
  }
  for (let at = 8; at < png.length; ) {
    const bytes = png.readUInt32BE(at)
    const type = png.toString('latin1', at + 4, at + 8)
    const content = png.subarray(at + 8, at + 8 + bytes)
    if (type === 'IDAT') pixels.push(content)
    else if (type === 'IEND')
      parts.push(part('IDAT', deflateSync(inflateSync(Buffer.concat(pixels)), { level: 9 })))
    if (type !== 'IDAT') parts.push(part(type, content))
    at += bytes + 12
  }
  return Buffer.concat([png.subarray(0, 8), ...parts])
}

test('a consumer that is at work: what waits, since when, how fast it drains', async (context) => {
  const page = await open(context, '#3')
  await expect
    .poll(() => answers(page), SOON)
    .toMatchObject({
      Waiting: expect.stringMatching(/^plain: [\d,]+ items?$/),
      Consumer: 'good: at work',
      Drains: expect.stringMatching(/^good: (empty in|keeps up)/),
      Full: 'good: not within the hour',
      Damage: 'good: none seen in the metadata',
    })
  await picture(page, 'ring-light')
  await page.close()
})

test('a consumer that is stuck is not taken for one that works', async (context) => {
  const page = await open(context, '#2', { width: 390, height: 844 })
  await expect
    .poll(() => answers(page), SOON)
    .toMatchObject({
      Since: expect.stringMatching(/^plain: [23] m/),
      Producer: 'good: at work',
      Consumer: 'bad: stuck',
      Drains: 'bad: not draining',
      Full: expect.stringMatching(/^bad: in \d+ m/),
    })
  await picture(page, 'ring-phone')
  await page.close()
})

test('a ring that nobody empties is going to be full, and when', async (context) => {
  const page = await open(context, '#1')
  await expect
    .poll(() => answers(page), SOON)
    .toMatchObject({
      Waiting: expect.stringMatching(/^(plain|bad): 39,\d+ items$/),
      Since: expect.stringMatching(/^plain: 1 h/),
      Consumer: 'bad: nobody on this machine',
      Full: expect.stringMatching(/^bad: in /),
    })
  await page.close()
})

test('damage is told where it is, of items once they are checked', async (context) => {
  const page = await open(context, '#0', { height: 700, colorScheme: 'dark' })
  await expect
    .poll(() => answers(page), SOON)
    .toMatchObject({ Damage: 'bad: producer slot 2 at byte 24,576' })
  await page.click('#verify')
  await until(page, `document.querySelectorAll('#findings li').length === 2`)
  await until(page, `document.querySelector('#answers').textContent.includes('and 1 more')`)
  await picture(page, 'damage-dark')
  await page.close()
})

test('the list says which rings need a look, and a page has what was seen before it came', async (context) => {
  const list = await open(context, '#rings', { height: 350 })
  await until(
    list,
    `document.querySelector('caption').textContent === '3 of 4 need a look.' &&
      document.querySelector('tbody').textContent.includes('stuck') &&
      !document.querySelector('tbody').textContent.includes('–, –')`,
  )
  await picture(list, 'rings-light')
  await list.close()
  const page = await open(context, '#3')
  // The server's own looks began before: its first is not of this page.
  const first = await page.evaluate<number>(
    `fetch('api/history?ring=3').then((answer) => answer.json()).then((points) => points[0].at)`,
  )
  const opened = await page.evaluate<number>('performance.timeOrigin')
  expect(first).toBeLessThan(opened)
  const least = Math.floor((opened - first) / 1000) - 1
  await until(
    page,
    `parseInt(/the last (?:(\\d+) m )?([\\d.]+) s/.exec(document.querySelector('#charts').textContent)?.[2] ?? '0') >= ${least % 60}`,
  )
  await page.close()
})

test('sbr top has the same answers', async (context) => {
  needs(context, missing)
  if (top === undefined) throw new Error('it was not started')
  const lineOf = (text: string, name: string): string =>
    text.split('\n').findLast((line) => line.startsWith(`${name}.img`)) ?? ''
  let text = ''
  await top.printed((stdout) => {
    text = stdout.toString()
    return text.split('\n').length > 2 * names.length && text.endsWith('\n')
  })
  expect(lineOf(text, 'mails')).toMatch(
    /waiting: 1,\d+ items.* since: [23] m.* consumer: stuck: nothing acknowledged for .* drains: not draining.* full: in \d+ m/,
  )
  expect(lineOf(text, 'billing')).toMatch(/waiting: 39,\d+ items.* full: in /)
  expect(lineOf(text, 'audit')).toContain('damage: producer slot 2 at byte 24,576')
  expect(lineOf(text, 'orders')).toMatch(
    /consumer: at work: client "shipping".* drains: (empty|keeps)/,
  )
})
