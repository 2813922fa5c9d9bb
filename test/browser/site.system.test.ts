import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { basename, dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { chromiumMissing } from './chromium.ts'

const require = createRequire(import.meta.url)
const site = fileURLToPath(new URL('../../site/', import.meta.url))
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

/** What is used of the driver. */
interface Page {
  goto(url: string, options?: { readonly waitUntil: 'commit' }): Promise<unknown>
  click(selector: string): Promise<void>
  fill(selector: string, text: string): Promise<void>
  waitForSelector(selector: string): Promise<unknown>
  evaluate<T>(script: string): Promise<T>
  setViewportSize(size: { readonly width: number; readonly height: number }): Promise<void>
  emulateMedia(media: { readonly colorScheme: 'light' | 'dark' }): Promise<void>
  setDefaultTimeout(ms: number): void
  on(event: 'console' | 'pageerror', listener: (told: unknown) => void): void
}
interface Browser {
  newPage(options: object): Promise<Page>
  close(): Promise<void>
}

/** What axe-core found. */
interface Finding {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string }[]
}

/** Only what is not there takes so long. */
const SOON = { timeout: 20_000 }
let server: Server
let browser: Browser | undefined
let page: Page
let url = ''
const complaints: unknown[] = []
/** A file that the server does not answer for, until what stands here is called. */
let withheld: { readonly name: string; readonly answers: (() => void)[] } | undefined

const unbuilt = existsSync(join(site, 'index.html')) ? undefined : 'it is not built (npm run docs)'
const missing = unbuilt ?? chromiumMissing()

beforeAll(async () => {
  if (missing !== undefined) return
  server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://site').pathname))
    const file = join(site, path === '/' ? 'index.html' : path)
    if (!existsSync(file)) return response.writeHead(path === '/favicon.ico' ? 204 : 404).end()
    const answer = () => {
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain' })
      response.end(readFileSync(file))
    }
    if (withheld?.name === basename(file)) return withheld.answers.push(answer)
    return answer()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const { chromium } = require('playwright-core') as {
    readonly chromium: { launch(options: object): Promise<Browser> }
  }
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  page = await browser.newPage({ viewport: { width: 1300, height: 900 } })
  // Only what is not there takes so long.
  page.setDefaultTimeout(20_000)
  page.on('console', (told) => complaints.push(told))
  page.on('pageerror', (told) => complaints.push(told))
})
afterAll(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
})

/**
 * What a new user asks: the link on the first page, words to search for, and the page and the heading that have the
 * answer.
 */
const QUESTIONS: readonly (readonly [
  link: string,
  words: string,
  page: string,
  heading: string,
])[] = [
  ['find a fault', 'symptom', 'Operating a ring', 'Three in the morning'],
  ['size a ring', 'size ring', 'Operating a ring', 'Sizing a ring'],
  ['come back after a power cut', 'power cut', 'Operating a ring', 'After a power cut'],
  ['move it to a larger disk', 'larger disk', 'Operating a ring', 'Moving to a larger disk'],
  ['read it from Python', 'python', 'Reading a ring without Node', 'Python'],
  ['process in parallel', 'parallel', 'Processing', 'In parallel'],
  ['alert on lag', 'alert lag', 'Monitoring', 'What to watch'],
  ['fence a host', 'fence host', 'Operating a ring', 'Fencing a host'],
  ['recover from damage', 'recover damage', 'Operating a ring', 'Recovering from damage'],
  ['write a back-end', 'back-end', 'Your own back-end', 'Your own back-end'],
  ['know what is not promised', 'promised', 'Guarantees, fault by fault', 'What is not promised'],
]

test.for(QUESTIONS)(
  'the first page leads a new user who wants to %s to the answer',
  async ([link, words, name, heading], context: TestContext) => {
    needs(context, missing)
    await page.goto(url)
    await page.click(`.col-content a:text-is("${link}")`)
    await page.waitForSelector(`.col-content h1:text-is("${name}")`)
    // The heading is what the window shows.
    const shown = await page.evaluate<string[]>(
      `[...document.querySelectorAll('h1, h2, h3')].filter((one) => {
        const { top, height } = one.getBoundingClientRect()
        return height > 0 && top >= 0 && top < innerHeight
      }).map((one) => one.textContent.trim())`,
    )
    expect(shown).toContain(heading)
    // And by search: on top, or next to it.
    await page.click('#tsd-search-trigger')
    await page.fill('#tsd-search-input', words)
    await page.waitForSelector('#tsd-search-results li')
    const found = await page.evaluate<string[]>(
      `[...document.querySelectorAll('#tsd-search-results li')].map((one) => one.textContent.trim())`,
    )
    expect(found.slice(0, 4)).toContain(name)
    expect(complaints).toEqual([])
  },
)

test('the guide is in its order, and the reference has each way in', async (context) => {
  needs(context, missing)
  await page.goto(url)
  await page.waitForSelector('.tsd-navigation a[href*="Operating"]')
  const links = await page.evaluate<string[]>(
    `[...document.querySelectorAll('#tsd-nav-container a')].map((one) => one.textContent.trim())`,
  )
  expect(links.slice(0, 10)).toEqual([
    'Documentation',
    'Choosing: one ring, a pool, a group',
    'Processing',
    'Many rings',
    'Operating a ring',
    'Monitoring',
    'Deploying',
    'On-disk formats',
    'Guarantees, fault by fault',
    'Measured',
  ])
  const { exports } = require('../../package.json') as { readonly exports: object }
  for (const path of Object.keys(exports)) {
    if (path !== './package.json') expect(links).toContain(path.replace('.', 'shared-block-ring'))
  }
})

test.for([
  ['light', 200, 256],
  ['dark', 0, 80],
] as const)('it is %s for whoever wants that', async ([colorScheme, low, high], context) => {
  needs(context, missing)
  await page.emulateMedia({ colorScheme })
  await page.goto(url)
  const color = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
  for (const part of color.match(/\d+/g)?.slice(0, 3) ?? []) {
    expect(Number(part)).toBeGreaterThanOrEqual(low)
    expect(Number(part)).toBeLessThan(high)
  }
  expect(color).toMatch(/\d/)
})

test('diagrams are drawn in the colours of the page, by the site itself', async (context) => {
  needs(context, missing)
  await page.emulateMedia({ colorScheme: 'light' })
  await page.goto(`${url}documents/Architecture.html`)
  await page.waitForSelector('figure.diagram:nth-of-type(2) svg')
  const drawn = `[...document.querySelectorAll('figure.diagram svg')].map((svg) => ({
    texts: [...svg.querySelectorAll('text, .nodeLabel')].map((one) => one.textContent.trim()),
    color: getComputedStyle(svg.querySelector('.nodeLabel, text.messageText')).color,
  }))`
  interface Drawn {
    readonly texts: readonly string[]
    readonly color: string
  }
  const light = await page.evaluate<readonly Drawn[]>(drawn)
  expect(light[0]?.texts).toContain('commands · src/cli/commands')
  expect(light[1]?.texts).toContain('push(item)')
  expect(await page.evaluate(`document.querySelectorAll('code.mermaid').length`)).toBe(0)

  await page.emulateMedia({ colorScheme: 'dark' })
  for (const [index, { color }] of light.entries()) {
    await expect
      .poll(async () => (await page.evaluate<readonly Drawn[]>(drawn))[index]?.color, SOON)
      .not.toBe(color)
  }
  const loaded = await page.evaluate<readonly string[]>(
    `performance.getEntriesByType('resource').map(({ name }) => name)`,
  )
  expect(loaded.filter((name) => !name.startsWith(url))).toEqual([])
  expect(complaints).toEqual([])
})

test('diagrams wait for the page, which is hidden until its navigation is there', async (context) => {
  needs(context, missing)
  withheld = { name: 'navigation.js', answers: [] }
  try {
    await page.goto(`${url}documents/Architecture.html`, { waitUntil: 'commit' })
    await page.waitForSelector('figure.diagram:nth-of-type(2) svg')
    const widths = await page.evaluate<readonly number[]>(
      `[...document.querySelectorAll('figure.diagram svg')].map((svg) => svg.viewBox.baseVal.width)`,
    )
    // What is drawn in a hidden page has labels of no width.
    for (const width of widths) expect(width).toBeGreaterThan(300)
    expect(complaints).toEqual([])
  } finally {
    for (const answer of withheld.answers) answer()
    withheld = undefined
  }
})

/** Pages of each kind: the first, one with tables, one with diagrams, code, a class, a module. */
const MAIN_PAGES = [
  'index.html',
  'documents/Operating_a_ring.html',
  'documents/Architecture.html',
  'documents/Processing.html',
  'documents/In_a_browser.html',
  'classes/shared-block-ring.RingWriter.html',
  'modules/shared-block-ring.html',
]
const axe = readFileSync(require.resolve('axe-core'), 'utf8')

test.for(
  [
    { width: 1300, height: 900 },
    { width: 360, height: 700 },
  ].flatMap((size) => (['light', 'dark'] as const).map((scheme) => [scheme, size] as const)),
)(
  'axe-core has no serious findings on the main pages, %s, at %o',
  async ([colorScheme, size], context) => {
    needs(context, missing)
    await page.setViewportSize(size)
    await page.emulateMedia({ colorScheme })
    const findings: string[] = []
    for (const path of MAIN_PAGES) {
      await page.goto(url + path)
      if (path.includes('Architecture'))
        await page.waitForSelector('figure.diagram:nth-of-type(2) svg')
      await page.evaluate(axe)
      const found = await page.evaluate<readonly Finding[]>(
        `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)`,
      )
      for (const { id, impact, nodes } of found) {
        if (impact !== 'serious' && impact !== 'critical') continue
        findings.push(...nodes.map(({ html }) => `${path}: ${id}: ${html.slice(0, 200)}`))
      }
      const isWider = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
      if (isWider) findings.push(`${path} is wider than the window`)
    }
    await page.setViewportSize({ width: 1300, height: 900 })
    expect(findings).toEqual([])
  },
)

test('every link of every page leads to a page and a place on it', (context) => {
  needs(context, unbuilt)
  const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.html'),
  )
  const texts = new Map(pages.map((path) => [path, readFileSync(join(site, path), 'utf8')]))
  const places = new Map(
    [...texts].map(([path, text]) => [
      path,
      new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)),
    ]),
  )
  const broken = new Set<string>()
  let links = 0
  for (const [path, text] of texts) {
    for (const [, link = ''] of text.matchAll(
      / (?:href|src)="(?!https?:|data:|mailto:)([^"]+)"/g,
    )) {
      links++
      const [target = '', place] = link.replaceAll('&amp;', '&').split('#').map(decodeURIComponent)
      const file = target === '' ? path : normalize(join(dirname(path), target))
      const ids = places.get(file)
      const isThere = ids === undefined ? existsSync(join(site, file)) : true
      if (!isThere || (place && ids && !ids.has(place))) broken.add(`${path}: ${link}`)
    }
  }
  expect([...broken]).toEqual([])
  expect(links).toBeGreaterThan(1000)
})
