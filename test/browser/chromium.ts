import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const require: NodeJS.Require = createRequire(import.meta.url)
const root: string = fileURLToPath(new URL('../../', import.meta.url))
const CHROMIUM = '/usr/bin/chromium'

/** What is used of Playwright, which is installed for these tests only. */
interface Page {
  goto(url: string): Promise<unknown>
  evaluate<T, A>(run: (argument: A) => T | Promise<T>, argument: A): Promise<T>
  close(): Promise<void>
}
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

/** A script that docs/browser.md shows, by the name that its first line states, with the built package. */
function documented(name: string): string | undefined {
  const page = readFileSync(join(root, 'docs/browser.md'), 'utf8')
  const scripts = [...page.matchAll(/```js\n(\/\/ ([\w-]+\.js)[\s\S]*?)```/g)]
  const [, code] = scripts.find(([, , stated]) => stated === name) ?? []
  return code?.replaceAll(/'shared-block-ring\/([\w/]+)'/g, "'/dist/$1/index.js'")
}

/** What a call in a worker answered with. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError'
  readonly code: string | undefined

  constructor(code: string | undefined, message: string) {
    super(message)
    this.code = code
  }
}

/** A tab, with one worker that runs `worker.mjs`. */
export interface Tab {
  readonly page: Page
  /** Calls a function of `worker.mjs`. */
  call<T>(name: string, ...args: readonly unknown[]): Promise<T>
  /** Calls it, and does not wait for it. */
  begin(name: string, ...args: readonly unknown[]): Promise<void>
  /** What the worker said besides answers: `pushed` has the last number that it told. */
  said(): Promise<{ readonly pushed?: number }>
}

/** Scripts beside this file that pages start workers of. */
const OWN_SCRIPTS = ['worker.mjs', 'serving.mjs']

const PAGE = `<!doctype html><title>shared-block-ring</title><script type="module">
const worker = new Worker('/worker.mjs', { type: 'module' })
const waiting = new Map()
const ready = Promise.withResolvers()
let calls = 0
window.told = {}
worker.onerror = (event) => ready.reject(new Error(event.message))
worker.onmessage = ({ data }) => {
  if (data.ready) ready.resolve()
  else if (data.id === undefined) Object.assign(window.told, data)
  else {
    waiting.get(data.id)(data)
    waiting.delete(data.id)
  }
}
window.call = async ({ name, args }) => {
  await ready.promise
  const id = ++calls
  worker.postMessage({ id, call: name, args })
  return new Promise((resolve) => waiting.set(id, resolve))
}
</script>`

/** A service beside the pages, which may be down. */
export interface OrderService {
  up: boolean
  refused: number
  readonly taken: unknown[]
}

/** Chromium with a profile of its own, and a server with the built package. */
export class Chromium implements AsyncDisposable {
  readonly orders: OrderService = { up: true, refused: 0, taken: [] }
  readonly url: string
  /** Its tabs share their files, on the disk. */
  readonly window: Context
  readonly #browser: Browser
  readonly #profile: string
  readonly #server: Server

  private constructor(profile: string, window: Context, server: Server) {
    const browser = window.browser()
    if (browser === null) throw new Error('Playwright says nothing of its browser')
    this.#browser = browser
    this.#profile = profile
    this.window = window
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    server.on('request', async (request, response) => {
      if (request.method === 'POST') {
        let body = ''
        for await (const chunk of request) body += chunk
        if (this.orders.up) this.orders.taken.push(JSON.parse(body))
        else this.orders.refused++
        response.writeHead(this.orders.up ? 200 : 503).end()
        return
      }
      const path = normalize((request.url ?? '/').split('?')[0] ?? '/')
      const own = OWN_SCRIPTS.find((name) => path === `/${name}`)
      const file = path.startsWith('/dist/')
        ? join(root, path)
        : own && fileURLToPath(new URL(own, import.meta.url))
      const text =
        file === undefined
          ? documented(path.slice(1))
          : existsSync(file)
            ? readFileSync(file)
            : undefined
      if (text !== undefined) {
        response.writeHead(200, { 'content-type': 'text/javascript' }).end(text)
      } else {
        response.writeHead(path === '/' ? 200 : 404, { 'content-type': 'text/html' }).end(PAGE)
      }
    })
  }

  static async start(): Promise<Chromium> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { chromium }: Playwright = require('playwright-core')
    const args = ['--no-sandbox', '--disable-dev-shm-usage']
    const profile = mkdtempSync(join(tmpdir(), 'sbr-chromium-'))
    const options = { executablePath: CHROMIUM, args }
    const window = await chromium.launchPersistentContext(profile, options)
    return new Chromium(profile, window, server)
  }

  /** A private window: its tabs share their files with no other. */
  async privateWindow(): Promise<Context> {
    return await this.#browser.newContext()
  }

  /** Opens a tab. */
  async tab(window: Context = this.window): Promise<Tab> {
    const page = await window.newPage()
    await page.goto(this.url)
    const call = async (name: string, args: readonly unknown[]): Promise<unknown> => {
      type Answer = { value?: unknown; error?: { code?: string; message: string } }
      const { value, error }: Answer = await page.evaluate(
        (argument) =>
          (globalThis as unknown as { call(argument: unknown): Promise<Answer> }).call(argument),
        { name, args },
      )
      if (error !== undefined) throw new WorkerError(error.code, error.message)
      return value
    }
    return {
      page,
      call: async <T>(name: string, ...args: readonly unknown[]) => (await call(name, args)) as T,
      begin: (name, ...args) =>
        page.evaluate(
          (argument) => {
            void (globalThis as unknown as { call(argument: unknown): unknown }).call(argument)
          },
          { name, args },
        ),
      said: () =>
        page.evaluate(() => (globalThis as unknown as { told: { pushed?: number } }).told, null),
    }
  }

  /** Leaves the pages' files so many bytes to grow by, for as long as the tab is open; undefined: as many as before. */
  async setRoom(tab: Tab, bytes: number | undefined): Promise<void> {
    const session = await this.window.newCDPSession(tab.page)
    const { origin } = new URL(this.url)
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
    this.#server.closeAllConnections()
    this.#server.close()
  }
}
