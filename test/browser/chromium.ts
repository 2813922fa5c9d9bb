import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openTab, type Page, PageServer, type Tab } from './tabs.ts'

const require: NodeJS.Require = createRequire(import.meta.url)
const CHROMIUM = '/usr/bin/chromium'

/** What is used of Playwright, which is installed for these tests only. */
interface Context {
  newPage(): Promise<Page>
  newCDPSession(page: Page): Promise<Session>
  browser(): Browser | null
  close(): Promise<void>
}
interface Session {
  send(method: string, parameters?: object): Promise<unknown>
}
interface Browser {
  newContext(): Promise<Context>
  newBrowserCDPSession(): Promise<Session>
}
interface Playwright {
  readonly chromium: {
    launchPersistentContext(profile: string, options: object): Promise<Context>
  }
}

/** Why the tests with Chromium cannot run here; undefined if they can. */
export function chromiumMissing(): string | undefined {
  if (!existsSync(CHROMIUM)) return 'there is no Chromium (Debian: chromium)'
  try {
    require.resolve('playwright-core')
    return undefined
  } catch {
    return 'its driver is not installed (npm ci --prefix test/browser)'
  }
}

/** Chromium with a profile of its own, and a server with the built package. */
export class Chromium implements AsyncDisposable {
  readonly server: PageServer
  /** Its tabs share their files, on the disk. */
  readonly window: Context
  readonly #browser: Browser
  readonly #profile: string

  private constructor(profile: string, window: Context, server: PageServer) {
    const browser = window.browser()
    if (browser === null) throw new Error('Playwright says nothing of its browser')
    this.#browser = browser
    this.#profile = profile
    this.window = window
    this.server = server
  }

  static async start(): Promise<Chromium> {
    const { chromium }: Playwright = require('playwright-core')
    const args = ['--no-sandbox', '--disable-dev-shm-usage']
    const profile = mkdtempSync(join(tmpdir(), 'sbr-chromium-'))
    const options = { executablePath: CHROMIUM, args }
    const window = await chromium.launchPersistentContext(profile, options)
    return new Chromium(profile, window, await PageServer.start())
  }

  /** A private window: its tabs share their files with no other. */
  async privateWindow(): Promise<Context> {
    return await this.#browser.newContext()
  }

  /** Opens a tab. */
  async tab(window: Context = this.window): Promise<Tab> {
    return await openTab(await window.newPage(), this.server.url)
  }

  /** Leaves the pages' files so many bytes to grow by, for as long as the tab is open; undefined: as many as before. */
  async setRoom(tab: Tab, bytes: number | undefined): Promise<void> {
    const session = await this.window.newCDPSession(tab.page)
    const { origin } = new URL(this.server.url)
    // What `estimate` says of the quota is made up, so that no site is told how large the disk is.
    const used = await tab.page.evaluate(async () => {
      const { navigator } = globalThis as unknown as {
        readonly navigator: {
          readonly storage: { estimate(): Promise<{ readonly usage: number }> }
        }
      }
      return (await navigator.storage.estimate()).usage
    }, null)
    const limit = bytes === undefined ? {} : { quotaSize: used + bytes }
    await session.send('Storage.overrideQuotaForOrigin', { origin, ...limit })
  }

  /** Ends the process of a tab, and with it the workers of its page, without a word to them. */
  async crash(tab: Tab): Promise<void> {
    const session = await this.window.newCDPSession(tab.page)
    // Nobody is left to answer.
    void session.send('Page.crash').catch(() => undefined)
  }

  /** Kills all processes that run pages, as SIGKILL does. */
  async killRenderers(): Promise<number> {
    const session = await this.#browser.newBrowserCDPSession()
    const renderers = async (): Promise<number[]> => {
      const { processInfo } = (await session.send('SystemInfo.getProcessInfo')) as {
        readonly processInfo: readonly { readonly type: string; readonly id: number }[]
      }
      return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id)
    }
    const killed = await renderers()
    for (const pid of killed) process.kill(pid, 'SIGKILL')
    // A new tab would be given one of which the browser does not know yet that it is gone.
    while ((await renderers()).some((pid) => killed.includes(pid))) await sleep(10)
    return killed.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.window.close()
    rmSync(this.#profile, { recursive: true, force: true })
    this.server.close()
  }
}
