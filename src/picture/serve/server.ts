import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { DeviceAccess } from '../watch/access.ts'
import { RingWatches, type WatchedRing } from '../watch/ring-watches.ts'
import { cookieOf, isAllowed, isKnownHost } from './access.ts'
import { findingsOf } from './findings.ts'
import { nextItems } from './items.ts'
import { Subscribers } from './subscribers.ts'

/** Options of a server. */
export interface ServeOptions {
  readonly devices: readonly string[]
  readonly access: DeviceAccess
  readonly host: string
  readonly port: number
  /** Requests without it are refused. */
  readonly token: string | undefined
  readonly showItems: boolean
  /** The page: HTML with one style and one script within. */
  readonly page: string
  /** The output of `sbr metrics`. */
  readonly metrics: () => Promise<string>
  /** The result of `sbr check` for all rings. */
  readonly health: () => Promise<{ readonly ok: boolean; readonly text: string }>
}

const LIVE_MS = 500
/** Without viewers it still records a history, for the next viewer, at this interval. */
const IDLE_MS = 5000
const MOST_CONNECTIONS = 64
const MOST_HEADER_BYTES = 8192
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
/** The limit for checking all items of a ring, and for reading some of them. */
const WORK_MS = 30_000

/** The reason for refusing a request, for its sender. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Answers a request for one path. */
type Route = (url: URL, response: ServerResponse) => Promise<void> | void

/** Serves rings to browsers, programs and probes; see `sbr serve`. Reads only, and only GET. */
export class PictureServer implements AsyncDisposable {
  readonly #options: ServeOptions
  readonly #server: Server
  readonly #observatory: RingWatches
  readonly #subscribers: Subscribers
  readonly #headers: Readonly<Record<string, string>>
  readonly #ending = new AbortController()
  /** Long operations: each runs once at a time. */
  readonly #running = new Map<string, Promise<unknown>>()
  readonly #routes: Readonly<Record<string, Route>>

  constructor(options: ServeOptions) {
    this.#options = options
    const { devices, access, page } = options
    this.#observatory = new RingWatches(devices, access, () => this.#subscribers.tell())
    this.#subscribers = new Subscribers(this.#observatory)
    this.#headers = headersFor(page)
    this.#routes = {
      '/': (_, response) => this.#send(response, 200, 'text/html; charset=utf-8', page),
      '/metrics': async (_, response) => {
        const text = await this.#once('metrics', options.metrics)
        this.#send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', text)
      },
      '/healthz': async (_, response) => {
        const { ok, text } = await this.#once('health', options.health)
        this.#send(response, ok ? 200 : 503, 'text/plain; charset=utf-8', text)
      },
      '/api/events': (_, response) => this.#subscribe(response),
      '/api/history': (url, response) => {
        const ring = this.#ringOf(url)
        this.#json(response, ring.history.points)
      },
      '/api/findings': async (url, response) => {
        const ring = this.#ringOf(url)
        const { device } = ring.watch
        const find = () => findingsOf(device, access, this.#patience())
        this.#json(response, await this.#once(`findings of ${device}`, find))
      },
      '/api/items': async (url, response) => {
        if (!options.showItems) throw new Refusal(403, 'items are shown with --show-items')
        const ring = this.#ringOf(url)
        const { device } = ring.watch
        const read = () => nextItems(device, access, this.#patience())
        this.#json(response, await this.#once(`items of ${device}`, read))
      },
      '/api/settings': (_, response) => this.#json(response, { showItems: options.showItems }),
    }
    this.#server = createServer(
      { maxHeaderSize: MOST_HEADER_BYTES, headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS },
      (request, response) => void this.#answer(request, response),
    )
    this.#server.maxConnections = MOST_CONNECTIONS
    this.#subscribers.onChange = (count) =>
      void this.#observatory.every(count > 0 ? LIVE_MS : IDLE_MS)
  }

  /**
   * Begins to listen.
   * @returns the address of the page
   * @throws {Error} the system error, if it cannot listen at that address
   */
  async listen(): Promise<string> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    void this.#observatory.every(IDLE_MS)
    const address = this.#server.address()
    const bound = typeof address === 'object' && address !== null ? address.port : port
    return `http://${host.includes(':') ? `[${host}]` : host}:${bound}/`
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { token, host } = this.#options
    request.resume()
    response.on('error', () => undefined)
    try {
      if (request.method !== 'GET') throw new Refusal(405, 'only GET is answered')
      const url = parsed(request.url)
      if (url === undefined) throw new Refusal(400, 'that is no address')
      if (!isKnownHost(request, host)) throw new Refusal(421, 'this server has another name')
      if (!isAllowed(request, url, token)) throw new Refusal(401, 'a token is needed')
      if (token !== undefined && url.pathname === '/' && url.searchParams.has('token'))
        return void this.#keepToken(response, token)
      const route = Object.hasOwn(this.#routes, url.pathname)
        ? this.#routes[url.pathname]
        : undefined
      if (route === undefined) throw new Refusal(404, 'there is nothing here')
      await route(url, response)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (error instanceof Refusal) this.#refuse(response, error.status, error.message)
      else if (response.headersSent) response.destroy()
      else this.#json(response, { error: { message } }, 500)
    }
  }

  /** Keeps the address with the token out of the browser's history. */
  #keepToken(response: ServerResponse, token: string): void {
    response
      .writeHead(303, { ...this.#headers, 'Set-Cookie': cookieOf(token), Location: '/' })
      .end()
  }

  #subscribe(response: ServerResponse): void {
    if (this.#subscribers.isFull) throw new Refusal(503, 'as many as can are looking already')
    response.writeHead(200, {
      ...this.#headers,
      'Content-Type': 'text/event-stream; charset=utf-8',
      'X-Accel-Buffering': 'no',
    })
    this.#subscribers.add(response)
  }

  /** @throws {Refusal} */
  #ringOf(url: URL): WatchedRing {
    const index = url.searchParams.get('ring') ?? ''
    const ring = /^\d{1,6}$/.test(index) ? this.#observatory.rings[Number(index)] : undefined
    if (ring === undefined) throw new Refusal(404, 'there is no such ring')
    return ring
  }

  #patience(): AbortSignal {
    return AbortSignal.any([this.#ending.signal, AbortSignal.timeout(WORK_MS)])
  }

  /** Runs an operation once: requests that arrive meanwhile share its result. */
  async #once<T>(name: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(name) ?? work().finally(() => this.#running.delete(name))
    this.#running.set(name, running)
    return (await running) as T
  }

  #json(response: ServerResponse, value: unknown, status = 200): void {
    this.#send(response, status, 'application/json; charset=utf-8', JSON.stringify(value))
  }

  #refuse(response: ServerResponse, status: number, why: string): void {
    this.#send(response, status, 'text/plain; charset=utf-8', `${why}\n`)
  }

  #send(response: ServerResponse, status: number, type: string, body: string): void {
    const headers = status === 405 ? { ...this.#headers, Allow: 'GET' } : this.#headers
    response.writeHead(status, { ...headers, 'Content-Type': type }).end(body)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    this.#subscribers.end()
    this.#server.close()
    this.#server.closeAllConnections()
    await this.#observatory[Symbol.asyncDispose]()
  }
}

function parsed(address: string | undefined): URL | undefined {
  if (address?.startsWith('/') !== true) return undefined
  try {
    return new URL(`http://here${address}`)
  } catch {
    return undefined
  }
}

/** A policy that allows only the page's own script and style, by their hashes. */
function headersFor(page: string): Readonly<Record<string, string>> {
  const hashOf = (tag: string): string => {
    const [, text = ''] = new RegExp(`<${tag}[^>]*>(.*?)</${tag}>`, 's').exec(page) ?? []
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  }
  return {
    'Content-Security-Policy':
      `default-src 'none'; script-src ${hashOf('script')}; style-src ${hashOf('style')}; connect-src 'self'; ` +
      "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cross-Origin-Opener-Policy': 'same-origin',
  }
}
