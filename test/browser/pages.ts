import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

const require = createRequire(new URL('package.json', import.meta.url))
const CHROMIUM = '/usr/bin/chromium'

/** What is used of the driver: it has a package of its own, which not every machine installs. */
export interface Page {
  goto(url: string): Promise<unknown>
  evaluate<T>(script: string): Promise<T>
  emulateMedia(media: { readonly colorScheme: 'light' | 'dark' }): Promise<void>
  click(selector: string): Promise<void>
  screenshot(options: { readonly type: 'png' }): Promise<Buffer>
  on(event: 'console' | 'pageerror', listener: (told: unknown) => void): void
  close(): Promise<void>
}

export interface Browser {
  newPage(options: object): Promise<Page>
  close(): Promise<void>
}

/** Starts Chromium for pages that a server has. */
export async function launch(): Promise<Browser> {
  const { chromium } = require('playwright-core') as {
    readonly chromium: { launch(options: object): Promise<Browser> }
  }
  return await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
}

/** Waits until a script says so. The driver's own way of waiting needs what the page's policy forbids. */
export async function until(page: Page, script: string): Promise<void> {
  for (let tries = 0; !(await page.evaluate<boolean>(script)); tries++) {
    if (tries === 400) throw new Error(`it did not come to ${script}`)
    await sleep(25)
  }
}
