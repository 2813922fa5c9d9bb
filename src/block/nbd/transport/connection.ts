import type { Clock } from '../../../clock.ts'
import { ALWAYS } from '../../permit.ts'
import type { Export } from '../handshake/negotiate.ts'
import { COMMAND, COMMAND_FLAG, encodeRequest } from '../protocol.ts'
import { Exchange, type Status } from './exchange.ts'
import { broken, NbdFault } from './fault.ts'
import { ReplyParser, type Requests } from './replies.ts'
import type { Request } from './request.ts'
import { transferBytes } from './send-window.ts'
import type { Receiver, Wire } from './wire.ts'

const FAREWELL: Request = {
  command: COMMAND.disconnect,
  flags: 0,
  offset: 0,
  length: 0,
  parts: [],
  permit: ALWAYS,
}

type Answered = (status: Status | undefined) => void

/** Bytes of the headers of a request and its reply. */
const HEADERS_BYTES = 64

/** The slowest link that counts as alive: 1 KiB a second on average. */
const LEAST_BYTES_PER_MS = 1.024

/** A request that takes ten timeouts is late, even if bytes move. */
export const MOST_TIMEOUTS = 10

/** Requests that leave something to flush. */
const CHANGES: ReadonlySet<number> = new Set([COMMAND.write, COMMAND.writeZeroes, COMMAND.trim])

/** A connection in transmission: requests are sent as they are made, and replies arrive in any order. */
export class Connection implements Receiver, Requests {
  /** The server's description of the export, from the handshake. */
  readonly export: Export
  /** Called when the connection fails, for any reason. */
  onLost: () => void = () => undefined
  readonly #wire: Wire
  readonly #parser: ReplyParser
  readonly #exchanges = new Map<number, Exchange>()
  /** Changes without FUA that succeeded, and how many of the first of them are on stable storage. */
  #changes = 0
  #flushed = 0
  #cookies = 0
  #fault: NbdFault | undefined
  #farewell = false
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #over = new AbortController()
  #watching = false
  /** The time when bytes last moved, or when the first request after a pause was sent. */
  #movedAt = Number.NEGATIVE_INFINITY
  #heardAt = Number.NEGATIVE_INFINITY
  /** Bytes of requests without a reply. */
  #bytesInFlight = 0

  /** @param timeoutMs how long nothing may move while there are requests */
  constructor(wire: Wire, settings: Export, clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#wire = wire
    this.export = settings
    this.#parser = new ReplyParser(this, settings)
    wire.keepAlive(false)
    wire.handOver(this)
  }

  /** True if it can take requests. */
  get usable(): boolean {
    return this.#fault === undefined && !this.#farewell
  }

  /**
   * True if a change succeeded that no later flush over this connection covers; still valid after the connection is
   * lost.
   */
  get unflushed(): boolean {
    return this.#changes > this.#flushed
  }

  /** The time when bytes last arrived from the server. */
  get heardAt(): number {
    return this.#heardAt
  }

  /**
   * Sends a request. Resolves with the server's block status if the request asked for it.
   * @throws {NbdFault} it failed; after `lost` and `late` the outcome is unknown
   */
  request(request: Request): Promise<Status | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== undefined) {
        reject(this.#fault)
        return
      }
      if (this.#exchanges.size === 0) this.#wire.keepAlive(true)
      const cookie = this.#nextCookie()
      const now = this.#clock.now()
      if (this.#exchanges.size === 0) this.#movedAt = now
      this.#bytesInFlight += HEADERS_BYTES + transferBytes(request)
      const longestMs = this.#longestMs()
      for (const exchange of this.#exchanges.values()) exchange.mayTake(longestMs)
      const answered = this.#counting(request, resolve)
      this.#exchanges.set(cookie, new Exchange(request, now, longestMs, answered, reject))
      if (!this.#watching) this.#watch()
      const header = encodeRequest(request, cookie)
      if (request.command === COMMAND.write) this.#wire.send(header, ...request.parts)
      else this.#wire.send(header)
    })
  }

  /** Ends the session, and waits briefly for the server to close the connection. */
  async close(): Promise<void> {
    if (!this.usable) return
    this.#farewell = true
    this.#wire.send(encodeRequest(FAREWELL, this.#nextCookie()))
    await this.#wire.end()
  }

  space(): Uint8Array {
    return this.#parser.space()
  }

  taken(): void {
    this.#movedAt = this.#clock.now()
  }

  filled(bytes: number): void {
    this.#movedAt = this.#clock.now()
    this.#heardAt = this.#movedAt
    try {
      this.#parser.filled(bytes)
    } catch (error) {
      this.#wire.destroy(error instanceof NbdFault ? error : broken('replies', String(error)))
    }
  }

  ended(fault: NbdFault): void {
    this.#fault = fault
    this.#over.abort()
    const exchanges = [...this.#exchanges.values()]
    this.#exchanges.clear()
    if (!this.#farewell) this.onLost()
    for (const exchange of exchanges) exchange.fail(fault)
  }

  find(cookieHigh: number, cookie: number): Exchange {
    const exchange = cookieHigh === 0 ? this.#exchanges.get(cookie) : undefined
    if (exchange === undefined) {
      throw broken('a reply to a request in flight', `one to request ${cookieHigh}:${cookie}`)
    }
    return exchange
  }

  done(cookie: number, exchange: Exchange): void {
    exchange.finish()
    this.#exchanges.delete(cookie)
    this.#bytesInFlight -= HEADERS_BYTES + transferBytes(exchange.request)
    if (this.#exchanges.size === 0) this.#wire.keepAlive(false)
  }

  /** Counts unflushed changes as soon as the reply arrives: the connection may be lost in the same turn. */
  #counting({ command, flags }: Request, resolve: Answered): Answered {
    const covered = this.#changes
    if (command === COMMAND.flush) {
      return (status) => {
        this.#flushed = Math.max(this.#flushed, covered)
        resolve(status)
      }
    }
    if (!CHANGES.has(command) || (flags & COMMAND_FLAG.fua) !== 0) return resolve
    return (status) => {
      this.#changes++
      resolve(status)
    }
  }

  #nextCookie(): number {
    this.#cookies = (this.#cookies + 1) >>> 0
    return this.#cookies
  }

  /**
   * The longest time that a request in flight may take, however well others progress: the time to move everything
   * that may precede its reply, at {@link LEAST_BYTES_PER_MS}, plus the timeout; at most {@link MOST_TIMEOUTS}
   * timeouts. Requests sent later count too, because a server replies in any order; completed ones do not, or a
   * steady flow of others could keep one request waiting.
   */
  #longestMs(): number {
    const movingMs = this.#bytesInFlight / LEAST_BYTES_PER_MS
    return Math.min(this.#timeoutMs + movingMs, this.#timeoutMs * MOST_TIMEOUTS)
  }

  /** One timer for all requests: most complete long before it would matter. */
  #watch(): void {
    const now = this.#clock.now()
    let next = this.#movedAt + this.#timeoutMs
    const stalled = next <= now
    for (const { deadline } of this.#exchanges.values()) next = Math.min(next, deadline)
    this.#watching = this.#exchanges.size > 0 && next < Number.POSITIVE_INFINITY
    if (!this.#watching) return
    if (next <= now) {
      const reason = stalled
        ? `no byte was received from the server or sent to it for ${this.#timeoutMs} ms`
        : 'the server did not reply in time, though bytes were moving'
      this.#wire.destroy(new NbdFault('late', reason))
      return
    }
    const ms = Math.ceil(next - now)
    const sleep = this.#clock.sleep(ms, this.#over.signal, { background: true })
    void sleep.then(() => this.#watch()).catch(() => undefined)
  }
}
