import type { Clock } from '../../clock.ts'
import { ALWAYS } from '../permit.ts'
import { Exchange, type Status } from './exchange.ts'
import { broken, NbdFault } from './fault.ts'
import type { Export } from './negotiate.ts'
import { COMMAND, COMMAND_FLAG, encodeRequest, type Request } from './protocol.ts'
import { ReplyParser, type Requests } from './replies.ts'
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

/** Requests that leave something to flush. */
const CHANGES: ReadonlySet<number> = new Set([COMMAND.write, COMMAND.writeZeroes, COMMAND.trim])

/** A connection in transmission: requests go out as they come, and replies come back in any order. */
export class Connection implements Receiver, Requests {
  /** What the server said about the export when the connection was made. */
  readonly export: Export
  /** Told when it fails, whatever the reason. */
  onLost: () => void = () => undefined
  readonly #wire: Wire
  readonly #parser: ReplyParser
  readonly #exchanges = new Map<number, Exchange>()
  /** Changes without FUA that were answered, and how many of the first of them are on stable storage. */
  #changes = 0
  #flushed = 0
  #cookies = 0
  #fault: NbdFault | undefined
  #farewell = false
  readonly #clock: Clock
  #watch = new AbortController()
  #watchAt = Number.POSITIVE_INFINITY

  constructor(wire: Wire, terms: Export, clock: Clock) {
    this.#clock = clock
    this.#wire = wire
    this.export = terms
    this.#parser = new ReplyParser(this, terms)
    wire.hold(false)
    wire.handOver(this)
  }

  /** Whether it can take requests. */
  get usable(): boolean {
    return this.#fault === undefined && !this.#farewell
  }

  /** Whether a change was answered that no flush over this connection has covered since; also after it was lost. */
  get unflushed(): boolean {
    return this.#changes > this.#flushed
  }

  /**
   * Sends a request, and answers what the server says about its bytes if it was asked for that.
   * @throws {NbdFault} it failed; `lost` and `late` leave open whether the server has done it
   */
  request(request: Request, deadline: number): Promise<Status | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== undefined) {
        reject(this.#fault)
        return
      }
      if (this.#exchanges.size === 0) this.#wire.hold(true)
      const cookie = this.#nextCookie()
      const answered = this.#counting(request, resolve)
      this.#exchanges.set(cookie, new Exchange(request, deadline, answered, reject))
      if (deadline < this.#watchAt) this.#watchFrom(deadline)
      const header = encodeRequest(request, cookie)
      if (request.command === COMMAND.write) this.#wire.send(header, ...request.parts)
      else this.#wire.send(header)
    })
  }

  /** Says farewell, and waits for the server to close the connection, but not for long. */
  async close(): Promise<void> {
    if (!this.usable) return
    this.#farewell = true
    this.#wire.send(encodeRequest(FAREWELL, this.#nextCookie()))
    await this.#wire.end()
  }

  space(): Uint8Array {
    return this.#parser.space()
  }

  filled(bytes: number): void {
    try {
      this.#parser.filled(bytes)
    } catch (error) {
      this.#wire.destroy(error instanceof NbdFault ? error : broken('replies', String(error)))
    }
  }

  ended(fault: NbdFault): void {
    this.#fault = fault
    this.#watch.abort()
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
    if (this.#exchanges.size === 0) this.#wire.hold(false)
  }

  /** Keeps count of what is unflushed, as soon as the answer is there: the connection may be lost in the same turn. */
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

  /** One timer for all requests: most are answered long before it would matter. */
  #watchFrom(deadline: number): void {
    this.#watch.abort()
    this.#watchAt = deadline
    if (deadline === Number.POSITIVE_INFINITY) return
    this.#watch = new AbortController()
    const ms = Math.max(0, Math.ceil(deadline - this.#clock.now()))
    const sleep = this.#clock.sleep(ms, this.#watch.signal, { background: true })
    void sleep.then(() => this.#checkDeadlines()).catch(() => undefined)
  }

  #checkDeadlines(): void {
    this.#watchAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const { deadline } of this.#exchanges.values()) next = Math.min(next, deadline)
    if (next <= now) this.#wire.destroy(new NbdFault('late', 'the server did not answer in time'))
    else if (next < Number.POSITIVE_INFINITY) this.#watchFrom(next)
  }
}
