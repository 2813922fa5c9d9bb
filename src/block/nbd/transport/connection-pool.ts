import type { Permit } from '../../permit.ts'
import { COMMAND } from '../protocol.ts'
import type { Connection } from './connection.ts'
import type { Status } from './exchange.ts'
import type { Flushable } from './flush-tracker.ts'
import { ReconnectingConnection, type ReconnectingOptions } from './reconnecting-connection.ts'
import type { Request } from './request.ts'

/** After a server refused another connection, none is tried for this long. */
const REFUSED_MS = 30_000

const FLUSH = { command: COMMAND.flush, flags: 0, offset: 0, length: 0, parts: [] }

/** Options of a {@link ConnectionPool}. */
export interface PoolOptions extends Omit<ReconnectingOptions, 'dial'> {
  /** Connects, until the signal aborts. */
  readonly dial: (signal: AbortSignal) => Promise<Connection>
  /** The most connections. */
  readonly connections: number
}

/**
 * One or more connections to an export; a request goes to the least busy one. No request waits for, or fails with, a
 * connection that is being made: a server may accept fewer than it announces. A new connection is used once an older
 * one has replied to a request that was sent after the new one was made: then both lead to the same server, not to
 * one that restarted before the loss of the older one was noticed.
 */
export class ConnectionPool implements Flushable {
  readonly #connections: number
  readonly #connectionOptions: ReconnectingOptions
  readonly #first: ReconnectingConnection
  readonly #open: ReconnectingConnection[]
  /** The number of them that are in use: the others may lead to another server. */
  #proven = 1
  readonly #closing = new AbortController()
  /** Connections that are being made, besides the open ones. */
  readonly #growing = new Set<Promise<void>>()
  #notBefore = 0

  constructor(options: PoolOptions, first: Connection) {
    this.#connections = options.connections
    this.#connectionOptions = { ...options, dial: () => options.dial(this.#closing.signal) }
    this.#first = new ReconnectingConnection(this.#connectionOptions, first)
    this.#open = [this.#first]
  }

  /**
   * Makes a request.
   * @throws {NbdFault}
   */
  async request(request: Request): Promise<Status | undefined> {
    const made = this.#open.length
    const status = await this.#choose().request(request)
    if (made > this.#proven) this.#proven = made
    return status
  }

  /**
   * The number of times that a connection was re-established. Data read before may have been lost with a server's
   * cache.
   */
  get renewals(): number {
    return this.#open.reduce((sum, connection) => sum + connection.renewals, 0)
  }

  /** The size of pieces of a large transfer, over any connection. */
  get pieceBytes(): number {
    return Math.min(...this.#open.map((connection) => connection.pieceBytes))
  }

  get unflushed(): boolean {
    return this.#open.some((connection) => connection.unflushed)
  }

  /**
   * Flushes each connection with unflushed changes, or any connection if there are none. Settles when no request is
   * in flight.
   * @throws {NbdFault}
   */
  async flush(permit: Permit): Promise<void> {
    const unflushed = this.#open.filter((connection) => connection.unflushed)
    const connections = unflushed.length > 0 ? unflushed : [this.#choose()]
    const settled = await Promise.allSettled(
      connections.map((connection) => connection.request({ ...FLUSH, permit })),
    )
    for (const result of settled) if (result.status === 'rejected') throw result.reason
  }

  /** Ends all connections, including those being made. No requests may be in flight. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#growing)
    await Promise.all(this.#open.map((connection) => connection.close()))
  }

  #choose(): ReconnectingConnection {
    let least = this.#first
    for (let at = 1; at < this.#proven; at++) {
      const connection = this.#open[at] as ReconnectingConnection
      if (connection.load < least.load) least = connection
    }
    // Another connection is made only when it is needed.
    if (least.load > 0 && this.#mayGrow) this.#grow()
    return least
  }

  get #mayGrow(): boolean {
    const connections = this.#open.length + this.#growing.size
    return connections < this.#connections && this.#connectionOptions.clock.now() >= this.#notBefore
  }

  #grow(): void {
    const growing = this.#connectAnother().finally(() => this.#growing.delete(growing))
    this.#growing.add(growing)
  }

  async #connectAnother(): Promise<void> {
    try {
      const connection = await this.#connectionOptions.dial()
      this.#open.push(new ReconnectingConnection(this.#connectionOptions, connection))
    } catch {
      // A fault of the server, if any, shows in requests on the other connections.
      this.#notBefore = this.#connectionOptions.clock.now() + REFUSED_MS
    }
  }
}
