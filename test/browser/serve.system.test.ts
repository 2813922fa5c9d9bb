import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest'
import { ok, type Running, start, temporaryFolder } from '../cli/cli.ts'
import { damage, makeRing } from '../cli/tools.ts'
import { needs } from '../helpers/interop.ts'
import { chromiumMissing } from './chromium.ts'
import { type Browser, launch, type Page, until } from './pages.ts'

const require = createRequire(new URL('package.json', import.meta.url))
const HOSTILE = '<img src=x onerror="document.title=1"><b>bold</b>'

const missing = chromiumMissing()
const folder = temporaryFolder()
let browser: Browser | undefined
let running: Running | undefined
let url = ''

const [jobs, broken] = [folder.file('jobs'), folder.file(`${HOSTILE.replaceAll('/', '-')}`)]

beforeAll(async () => {
  if (missing !== undefined) return
  await makeRing(jobs, 'one\n')
  await makeRing(broken, `${HOSTILE}\ntwo\n`)
  damage(broken, 12_288 + 2 * 4096 + 100)
  running = start(['serve', jobs, broken, '--listen', '127.0.0.1:0', '--show-items'])
  await running.printed((stdout) => {
    url = stdout.toString().trim()
    return url !== ''
  })
  browser = await launch()
})

afterAll(async () => {
  await browser?.close()
  await running?.[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

/** A page that must not complain: neither its script, nor its content security policy. */
async function open(context: TestContext, at: string, width = 1200): Promise<Page> {
  needs(context, missing)
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

const text = (selector: string): string => `document.querySelector('${selector}').textContent`

test('what is pushed appears by itself, and so does that the producer is at work', async (context) => {
  const page = await open(context, '#0')
  await until(page, `${text('#answers')}.includes('1 item')`)
  await ok(['produce', jobs], 'two\nthree\n')
  await until(page, `${text('#answers')}.includes('3 items')`)
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
