import type { WorkerLocks } from './locks.ts'
import {
  errorMessage,
  fieldsOf,
  type Hello,
  isCount,
  isName,
  MAX_PENDING,
  type RingPort,
  workerLost,
} from './protocol.ts'

/** A `BroadcastChannel`. */
export interface ShareChannel {
  onmessage: ((event: { readonly data: unknown }) => void) | null
  postMessage(message: unknown): void
  close(): void
}

/** The most pages of other tabs that a worker serves. */
const MAX_PAGES = 1024

/** A message between the workers of a shared ring. Every script of the origin receives it, and can send the same. */
type ShareMessage =
  /** This worker serves the ring from now on. */
  | { readonly leads: true }
  /** A page requests a connection from the serving worker. */
  | { readonly from: string; readonly hello: Omit<Hello, 'port'> }
  /** A message from or to a page. */
  | { readonly from: string; readonly data: unknown }
  | { readonly to: string; readonly data: unknown }

/** A page of this tab, served by another tab's worker. */
interface Relay {
  readonly hello: Hello
  /** Its messages before the first answer; undefined after it. */
  waiting: unknown[] | undefined
}

/** The collaborators of a {@link Share}. */
interface ShareParts {
  readonly name: string
  readonly locks: WorkerLocks
  readonly channel: (name: string) => ShareChannel
  /** Serves a page of this tab here. */
  readonly serve: (hello: Hello) => void
  /** Serves a page of another tab here. */
  readonly serveOther: (hello: Hello) => void
  /** Calls back when a page has ended. */
  readonly onEnd: (hello: Hello, ended: () => void) => void
  /** Aborted when the server is closed. */
  readonly closing: AbortSignal
}

/**
 * Shares one ring among all tabs of an origin. Each tab has a worker that could serve it, and the one that holds a Web
 * Lock does. The others relay their pages' messages over a `BroadcastChannel`. A page detects the end of the serving
 * worker by that worker's own lock.
 *
 * ```
 * page --port--> worker of its tab --channel--> worker with the ring
 * ```
 */
export class Share {
  readonly #parts: ShareParts
  readonly #channel: ShareChannel
  readonly #relays = new Map<string, Relay>()
  /** Pages of other tabs that are served here. */
  readonly #pages = new Map<string, RingPort>()
  #leads = false
  #accepts = true

  constructor(parts: ShareParts) {
    const { name, locks, closing } = parts
    const lock = `shared-block-ring:serves:${name}`
    this.#parts = parts
    this.#channel = parts.channel(lock)
    this.#channel.onmessage = ({ data }) => this.#receive(data)
    const closed = new Promise<void>((resolve) => {
      closing.addEventListener('abort', () => resolve(), { once: true })
    })
    const lead = async (): Promise<void> => {
      if (closing.aborted || !this.#accepts) return
      this.#lead()
      await closed
    }
    // It fails when the server is closed before its turn.
    locks.request(lock, { signal: closing }, lead).catch(() => undefined)
  }

  /** Serves a page of this tab, or relays its messages. */
  connect(hello: Hello): void {
    if (this.#leads) {
      this.#parts.serve(hello)
      return
    }
    const id = crypto.randomUUID()
    const relay: Relay = { hello, waiting: [] }
    this.#relays.set(id, relay)
    this.#parts.onEnd(hello, () => {
      // If it is served here meanwhile, its session ends it.
      if (this.#relays.delete(id)) endPort(hello.port)
    })
    hello.port.onmessage = ({ data }) => {
      const { waiting } = relay
      if (waiting === undefined) this.#send({ from: id, data })
      else if (waiting.length < MAX_PENDING) waiting.push(data)
    }
    this.#ask(id, relay)
  }

  /** Accepts no more pages. The next worker that has the ring serves those that ask now. */
  stopAccepting(): void {
    this.#accepts = false
  }

  /** Ends the sharing, and informs the pages of this tab, whose ring another tab's worker has. */
  close(): void {
    const gone = errorMessage(workerLost('The worker was closed'))
    this.#channel.onmessage = null
    this.#channel.close()
    for (const { hello } of this.#relays.values()) {
      hello.port.postMessage({ gone }, [])
      endPort(hello.port)
    }
    this.#relays.clear()
  }

  #ask(id: string, { hello: { version, lock } }: Relay): void {
    this.#send({ from: id, hello: { version, lock } })
  }

  #lead(): void {
    this.#leads = true
    // Pages that another worker served detect its end by its lock.
    for (const [id, { hello, waiting }] of this.#relays) {
      if (waiting === undefined) continue
      this.#relays.delete(id)
      this.#parts.serve(hello)
      for (const data of waiting) hello.port.onmessage?.({ data })
    }
    this.#send({ leads: true })
  }

  #send(message: ShareMessage): void {
    this.#channel.postMessage(message)
  }

  #receive(data: unknown): void {
    const message = shareMessageOf(data)
    if (message === undefined) return
    if ('leads' in message) {
      // Requests made before it listened.
      for (const [id, relay] of this.#relays) if (relay.waiting !== undefined) this.#ask(id, relay)
    } else if ('to' in message) {
      this.#pass(message.to, message.data)
    } else if ('hello' in message) {
      if (this.#leads && !this.#pages.has(message.from)) this.#accept(message.from, message.hello)
    } else {
      this.#pages.get(message.from)?.onmessage?.({ data: message.data })
    }
  }

  /** Passes a message on to a page of this tab. */
  #pass(id: string, data: unknown): void {
    const relay = this.#relays.get(id)
    if (relay === undefined) return
    relay.hello.port.postMessage(data, [])
    for (const waiting of relay.waiting ?? []) this.#send({ from: id, data: waiting })
    relay.waiting = undefined
  }

  /** Serves a page of another tab. */
  #accept(id: string, { version, lock }: Omit<Hello, 'port'>): void {
    if (!this.#accepts) return
    if (this.#pages.size >= MAX_PAGES) {
      const gone = errorMessage(workerLost('The worker serves no more pages', `${MAX_PAGES} pages`))
      this.#send({ to: id, data: { gone } })
      return
    }
    const port: RingPort = {
      onmessage: null,
      postMessage: (data) => this.#send({ to: id, data }),
      close: () => this.#pages.delete(id),
    }
    this.#pages.set(id, port)
    this.#parts.serveOther({ version, lock, port })
  }
}

/** Ends a port. Later messages are ignored. */
function endPort(port: RingPort): void {
  port.onmessage = null
  port.close()
}

function shareMessageOf(posted: unknown): ShareMessage | undefined {
  const { leads, from, to, hello, data } = fieldsOf(posted)
  if (leads === true) return { leads }
  if (isName(to)) return { to, data }
  if (!isName(from)) return undefined
  if (hello === undefined) return { from, data }
  const { version, lock } = fieldsOf(hello)
  if (!isCount(version) || !(lock === undefined || isName(lock))) return undefined
  return { from, hello: { version, lock } }
}
