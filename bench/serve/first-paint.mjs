import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const CHROMIUM = '/usr/bin/chromium'
/** The driver is installed for the tests with browsers only. */
const require = createRequire(new URL('../../test/browser/package.json', import.meta.url))

/** The driver; undefined if it, or Chromium, is not installed. */
export function driver() {
  if (!existsSync(CHROMIUM)) return undefined
  try {
    return require('playwright-core').chromium
  } catch {
    return undefined
  }
}

/**
 * How long the page takes in Chromium, in milliseconds since it was asked for: until something is painted, and until all rings are on it. A
 * new profile each time: nothing is cached.
 */
export async function firstPaint(chromium, url, rings, times) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  try {
    const all = []
    for (let time = 0; time < times; time++) {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(url)
      all.push(await page.evaluate(measure, rings))
      await context.close()
    }
    return all
  } finally {
    await browser.close()
  }
}

/** Runs in the page. */
async function measure(rings) {
  const painted = new Promise((resolve) => {
    new PerformanceObserver((list) => {
      const [entry] = list.getEntriesByName('first-contentful-paint')
      if (entry !== undefined) resolve(entry.startTime)
    }).observe({ type: 'paint', buffered: true })
  })
  const shown = new Promise((resolve) => {
    const look = () => {
      if (document.querySelectorAll('#list tbody tr').length >= rings) resolve(performance.now())
      else requestAnimationFrame(look)
    }
    look()
  })
  return { painted: await painted, shown: await shown }
}
