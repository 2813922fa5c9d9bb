import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root: string = fileURLToPath(new URL('../../', import.meta.url))

/** A page of a browser, as far as it is used here; what crosses is JSON. */
export interface Page {
  goto(url: string): Promise<unknown>
  evaluate<T, A>(run: (argument: A) => T | Promise<T>, argument: A): Promise<T>
  close(): Promise<void>
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

/** A server of the built package, of scripts for workers, and of the order service. */
export class PageServer {
  readonly orders: OrderService = { up: true, refused: 0, taken: [] }
  readonly url: string
  readonly #server: Server

  private constructor(server: Server) {
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

  static async start(): Promise<PageServer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new PageServer(server)
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

/** Makes a tab of a new page. */
export async function openTab(page: Page, url: string): Promise<Tab> {
  await page.goto(url)
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

/** Runs a script in the page; what it returns. Throws what it throws, with its code. */
export async function run<T>({ page }: Tab, script: string): Promise<T> {
  const { value, error } = await page.evaluate(async (source) => {
    const AsyncFunction = (async () => undefined).constructor as new (
      text: string,
    ) => () => Promise<unknown>
    try {
      return { value: await new AsyncFunction(source)(), error: undefined }
    } catch (thrown) {
      const { name, code, message } = thrown as Error & { code?: string }
      return { value: undefined, error: { name, code, message } }
    }
  }, script)
  if (error !== undefined) throw Object.assign(new Error(error.message), error)
  return value as T
}

/**
 * Connects the page to a worker of its own, which serves a ring: `ring` in the scripts of `run`, and `take` receives.
 */
export async function connect(
  tab: Tab,
  ring: string,
  bytes: number = 1 << 20,
  more: string = '',
): Promise<Tab> {
  await run(
    tab,
    `const { RingConnection } = await import('/dist/worker/index.js')
    const { json } = await import('/dist/codec/index.js')
    globalThis.worker = new Worker('/serving.mjs?ring=${ring}&bytes=${bytes}${more}', { type: 'module' })
    globalThis.again = async () => {
      globalThis.ring = await RingConnection.open(worker, { codec: json() })
    }
    await again()
    globalThis.take = async () => {
      const entries = await ring.receiveMany()
      return entries.map(({ item }) => item)
    }`,
  )
  return tab
}

/** Tabs that share one ring, of which the first has it and goes: closes its page, or kills something. */
export async function shareInTurn(
  ring: string,
  newTab: () => Promise<Tab>,
  goes: (first: Tab) => Promise<unknown>,
): Promise<{ readonly together: unknown; readonly lost: unknown; readonly after: unknown }> {
  const shared = async (): Promise<Tab> =>
    await connect(await newTab(), ring, 1 << 20, `&sharedAs=${ring}`)
  const [one, two] = [await shared(), await shared()]
  await run(one, 'await ring.push("of one")')
  await run(two, 'await ring.push("of two")')
  const together = await run(two, 'return await take()')
  await run(two, 'globalThis.waiting = ring.receive().catch(({ code }) => code)')
  await goes(one)
  const lost = await run(two, 'return await waiting')
  // The file may still be open for a moment in a browser that has files open once.
  const after = await run(
    two,
    `for (;;) {
      try {
        await again()
        break
      } catch (error) {
        if (error.code !== 'BLOCK_CLAIMED') throw error
      }
    }
    await ring.push('after')
    return await take()`,
  )
  await two.page.close()
  return { together, lost, after }
}

/**
 * Pushes numbered items of many sizes without an end; resolves with the last number that is known to be pushed, after
 * some.
 */
export async function pushOn(tab: Tab): Promise<number> {
  await run(
    tab,
    `globalThis.pushed = -1
    const pushOn = async () => {
      for (let number = 0; ; number++) {
        await ring.push({ number, filler: 'x'.repeat((number * 331) % 3000) })
        globalThis.pushed = number
      }
    }
    void pushOn()`,
  )
  const pushed = (): Promise<number> => run<number>(tab, 'return pushed')
  while ((await pushed()) <= 20) await sleep(10)
  return await pushed()
}

/** Takes all items of a ring that nobody pushes to any more; the numbers that `pushOn` gave them. */
export async function drain(tab: Tab): Promise<readonly number[]> {
  return await run(
    tab,
    `const numbers = []
    while ((await ring.status()).waitingItems > 0) {
      for (const entry of await ring.receiveMany()) {
        numbers.push(entry.item.number)
        await entry.ack()
      }
    }
    return numbers`,
  )
}

/** Receives three items, and acknowledges the last and the first. */
export async function acknowledgeTwo(tab: Tab): Promise<unknown> {
  return await run(
    tab,
    `const entries = await ring.receiveMany()
    await entries[2].ack()
    await entries[0].ack()
    return entries.map(({ item }) => item)`,
  )
}
