import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest'
import { ok, type Running, start, temporaryFolder } from '../cli/cli.ts'
import { damage, makeRing } from '../cli/tools.ts'
import { needs } from '../helpers/interop.ts'

const require = createRequire(new URL('package.json', import.meta.url))
const CHROMIUM = '/usr/bin/chromium'
const HOSTILE = '<img src=x onerror="document.title=1"><b>bold</b>'

/** What is used of the driver: it has a package of its own, which not every machine installs. */
interface Page {
  goto(url: string): Promise<unknown>
  evaluate<T>(script: string): Promise<T>
  emulateMedia(media: { readonly colorScheme: 'light' | 'dark' }): Promise<void>
  click(selector: string): Promise<void>
  on(event: 'console' | 'pageerror', listener: (told: unknown) => void): void
}
interface Browser {
  newPage(options: object): Promise<Page>
  close(): Promise<void>
}

const folder = temporaryFolder()
let browser: Browser | undefined
let running: Running | undefined
let url = ''

function problem(): string | undefined {
  if (!existsSync(CHROMIUM)) return 'Chromium is not installed (Debian: chromium)'
  try {
    require.resolve('playwright-core')
    return undefined
  } catch {
    return 'the driver of browsers is not installed (npm ci --prefix test/browser)'
  }
}

const [jobs, broken] = [folder.file('jobs'), folder.file(`${HOSTILE.replaceAll('/', '-')}`)]

beforeAll(async () => {
  if (problem() !== undefined) return
  await makeRing(jobs, 'one\n')
  await makeRing(broken, `${HOSTILE}\ntwo\n`)
  damage(broken, 12_288 + 2 * 4096 + 100)
  running = start(['serve', jobs, broken, '--listen', '127.0.0.1:0', '--show-items'])
  await running.printed((stdout) => {
    url = stdout.toString().trim()
    return url !== ''
  })
  const { chromium } = require('playwright-core') as {
    readonly chromium: { launch(options: object): Promise<Browser> }
  }
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
})

afterAll(async () => {
  await browser?.close()
  await running?.[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

/** A page that must not complain: neither its script, nor its content security policy. */
async function open(context: TestContext, at: string, width = 1200): Promise<Page> {
  needs(context, problem())
  if (browser === undefined) throw new Error('there is no browser')
  const page = await browser.newPage({ viewport: { width, height: 800 } })
  const complain = (told: unknown): void => {
    complaints.push(told)
  }
  page.on('console', complain)
  page.on('pageerror', complain)
  await page.goto(url + at)
  await until(page, `document.querySelector('#status').textContent.startsWith('live')`)
  return page
}

let complaints: unknown[] = []
function quiet(): void {
  expect(complaints).toEqual([])
  complaints = []
}

/** Waits until a script says so. The driver's own way of waiting needs what the page's policy forbids. */
async function until(page: Page, script: string): Promise<void> {
  for (let tries = 0; !(await page.evaluate<boolean>(script)); tries++) {
    if (tries === 400) throw new Error(`it did not come to ${script}`)
    await sleep(25)
  }
}

const text = (selector: string): string => `document.querySelector('${selector}').textContent`

test('what is pushed appears by itself, and so does that the producer is at work', async (context) => {
  const page = await open(context, '#0')
  await until(page, `${text('#answers')}.includes('1 item,')`)
  await ok(['produce', jobs], 'two\nthree\n')
  await until(page, `${text('#answers')}.includes('3 items,')`)
  await using producing = start(['produce', jobs, '--client', 'gateway'])
  producing.child.stdin.write('four\n')
  await until(page, `${text('#answers')}.includes('gateway')`)
  expect(await page.evaluate(`document.querySelectorAll('#charts svg').length`)).toBe(6)
  quiet()
})

test('damage is shown on the map and in words, and names and items are no markup', async (context) => {
  const page = await open(context, '#1')
  await until(page, `${text('#map')}.includes('! damaged')`)
  expect(await page.evaluate(text('#answers'))).toContain('producer slot 1 at byte')
  expect(await page.evaluate(text('#name'))).toContain('<b>bold<-b>')
  await page.click('#read')
  await until(page, `${text('#entries')}.includes('<b>bold</b>')`)
  await page.click('#verify')
  await until(page, `${text('#findings')}.includes('producer slot 1')`)
  expect(await page.evaluate(`document.querySelectorAll('main img, main b').length`)).toBe(0)
  expect(await page.evaluate('document.title')).not.toBe('1')
  quiet()
})

test.for(['light', 'dark'] as const)(
  'axe finds nothing serious, %s and as wide as a phone',
  async (colorScheme, context) => {
    for (const at of ['#rings', '#1']) {
      const page = await open(context, at, 360)
      await page.emulateMedia({ colorScheme })
      await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'))
      const found = await page.evaluate<
        readonly { readonly impact: string; readonly id: string }[]
      >('axe.run().then(({ violations }) => violations.map(({ impact, id }) => ({ impact, id })))')
      expect(found.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual(
        [],
      )
      const [wide, shown] = await page.evaluate<[number, number]>(
        '[document.documentElement.scrollWidth, innerWidth]',
      )
      expect(wide).toBeLessThanOrEqual(shown)
    }
    quiet()
  },
)
