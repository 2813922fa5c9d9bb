import type { Clock } from '../../../clock.ts'
import type { Permit } from '../../permit.ts'
import { reasonOf } from '../errors.ts'
import { COMMAND } from '../protocol.ts'
import { type Connection, MOST_TIMEOUTS } from './connection.ts'
import { nameOf, nbdEvents, publishNbdEvent } from './events.ts'
import type { Status } from './exchange.ts'
import { NbdFault } from './fault.ts'
import type { Request } from './request.ts'
import { SendWindow } from './send-window.ts'

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 2000

/** Options of a {@link ReconnectingConnection}. */
export interface ReconnectingOptions {
  /** The device's name. */
  readonly device: string
  /** Connects. */
  readonly dial: () => Promise<Connection>
  /** Called each time a connection is lost. */
  readonly onLost: () => void
  readonly maxInFlight: number
  readonly requestTimeoutMs: number
  readonly clock: Clock
  readonly random: () => number
}

/** A connection that is re-established after a loss. */
export class ReconnectingConnection {
  readonly #device: string
  readonly #dial: () => Promise<Connection>
  readonly #onLost: () => void
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #random: () => number
  readonly #window: SendWindow
  #connection: Connection | undefined
  #renewals = 0
  #dialling: Promise<Connection> | undefined
  /** The number of times that the connection was lost or failed since a request last succeeded. */
  #failures = 0
  #notBefore = 0
  /** The error of the last attempt to connect. */
  #lastFault: unknown

  constructor(options: ReconnectingOptions, first: Connection) {
    const { device, onLost } = options
    this.#device = device
    this.#dial = options.dial
    this.#onLost = () => {
      onLost()
      publishNbdEvent({ device, event: 'lost' })
    }
    this.#window = new SendWindow(options.maxInFlight, options.clock)
    this.#timeoutMs = options.requestTimeoutMs
    this.#clock = options.clock
    this.#random = options.random
    this.#use(first)
  }

  /** Requests that have not ended. */
  get load(): number {
    return this.#window.load
  }

  /** The number of times that the connection was re-established. */
  get renewals(): number {
    return this.#renewals
  }

  /** The size of pieces of a large transfer. */
  get pieceBytes(): number {
    return this.#window.pieceBytes
  }

  /** True if a change succeeded that no later flush covers, over this connection or the one lost last. */
  get unflushed(): boolean {
    return this.#connection?.unflushed === true
  }

  /**
   * Sends a request, once the window has room. Reads are sent again if the connection is lost; the outcome of other
   * requests is unknown then. The permit is checked on sending.
   * @throws {NbdFault}
   */
  request(request: Request): Promise<Status | undefined> {
    return nbdEvents.hasSubscribers ? this.#publishedRequest(request) : this.#request(request)
  }

  /** Makes a request, and publishes it when it has ended. */
  async #publishedRequest(request: Request): Promise<Status | undefined> {
    const startedAt = this.#clock.now()
    const publish = (failure: { readonly error?: unknown }): void =>
      publishNbdEvent({
        device: this.#device,
        event: 'request',
        command: nameOf(request.command),
        bytes: request.length,
        durationMs: this.#clock.now() - startedAt,
        inFlight: this.#window.load,
        ...failure,
      })
    try {
      const status = await this.#request(request)
      publish({})
      return status
    } catch (error) {
      publish({ error })
      throw error
    }
  }

  async #request(request: Request): Promise<Status | undefined> {
    await this.#window.enter(request)
    try {
      return await this.#attempt(request)
    } catch (fault) {
      request.onFailed?.()
      throw fault
    } finally {
      this.#window.leave(request)
    }
  }

  /** Ends the session. No requests may be in flight. */
  async close(): Promise<void> {
    // The connection being made was abandoned by closing.
    await this.#dialling?.catch(() => undefined)
    await this.#connection?.close()
  }

  async #attempt(request: Request): Promise<Status | undefined> {
    const begunAt = this.#clock.now()
    let deadline = begunAt + this.#timeoutMs
    for (;;) {
      const connection = this.#usable ?? (await this.#connect(deadline, request.permit))
      request.permit()
      const sentAt = this.#clock.now()
      try {
        const status = await connection.request(request)
        this.#failures = 0
        this.#window.answered(request, sentAt)
        return status
      } catch (fault) {
        if (!connection.usable) this.#failed(connection)
        if (!isRetriable(request, fault)) throw fault
        // For a link that was alive until it was lost, the timeout begins at the loss.
        if (fault.kind === 'lost' && connection.heardAt > sentAt) {
          const latest = begunAt + this.#timeoutMs * MOST_TIMEOUTS
          deadline = Math.min(connection.heardAt + this.#timeoutMs, latest)
        }
        if (this.#clock.now() >= deadline) throw fault
      }
    }
  }

  get #usable(): Connection | undefined {
    return this.#connection?.usable === true ? this.#connection : undefined
  }

  async #connect(deadline: number, permit: Permit): Promise<Connection> {
    for (;;) {
      const pause = this.#notBefore - this.#clock.now()
      if (pause > 0) {
        await this.#clock.sleep(Math.min(pause, Math.max(0, deadline - this.#clock.now())))
      }
      if (this.#usable !== undefined) return this.#usable
      // A request that was refused permission needs no connection.
      permit()
      if (this.#clock.now() >= deadline) throw this.#late()
      try {
        const connection = await this.#before(deadline, this.#dialOnce())
        if (connection.usable) return connection
        this.#failed(connection)
      } catch (fault) {
        if (!isPassing(fault)) throw fault
        if (this.#clock.now() >= deadline) throw this.#late()
      }
    }
  }

  /** Waits for a connection until the deadline. A connection that arrives later serves the next caller. */
  async #before(deadline: number, connecting: Promise<Connection>): Promise<Connection> {
    if (deadline === Number.POSITIVE_INFINITY) return connecting
    const waiting = new AbortController()
    const late = this.#clock
      .sleep(Math.max(0, deadline - this.#clock.now()), waiting.signal)
      .then(() => {
        throw new NbdFault('late', 'there was no connection in time')
      })
    try {
      return await Promise.race([connecting, late])
    } finally {
      waiting.abort()
      late.catch(() => undefined)
    }
  }

  #late(): NbdFault {
    const reason = this.#lastFault
    const why = reason === undefined ? '' : `, at last because ${reasonOf(reason)}`
    return new NbdFault('late', `there was no connection in time${why}`, undefined, reason)
  }

  /** All callers share one attempt to connect. */
  #dialOnce(): Promise<Connection> {
    this.#dialling ??= this.#dialNow().finally(() => {
      this.#dialling = undefined
    })
    return this.#dialling
  }

  async #dialNow(): Promise<Connection> {
    try {
      const connection = await this.#dial()
      this.#use(connection)
      this.#renewals++
      this.#window.reset()
      publishNbdEvent({ device: this.#device, event: 'connected' })
      return connection
    } catch (fault) {
      publishNbdEvent({ device: this.#device, event: 'unreachable', error: fault })
      this.#lastFault = fault
      this.#pause()
      throw fault
    }
  }

  #use(connection: Connection): void {
    connection.onLost = this.#onLost
    this.#connection = connection
  }

  /** A connection that was lost is counted once, not for each of its requests. */
  #failed(connection: Connection): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#pause()
  }

  #pause(): void {
    // The first loss is most often a server's restart, or a connection that was idle for too long.
    const ms = this.#failures === 0 ? 0 : FIRST_PAUSE_MS * 2 ** (this.#failures - 1)
    this.#failures++
    this.#notBefore =
      this.#clock.now() + Math.min(ms, LONGEST_PAUSE_MS) * (0.5 + this.#random() / 2)
  }
}

/** True if sending the same request again is harmless and may succeed. */
function isRetriable({ command }: Request, fault: unknown): fault is NbdFault {
  const harmless = command === COMMAND.read || command === COMMAND.blockStatus
  return harmless && fault instanceof NbdFault && (fault.kind === 'lost' || fault.kind === 'late')
}

/** True if another attempt to connect may succeed. */
function isPassing(fault: unknown): boolean {
  return fault instanceof NbdFault && fault.kind !== 'broken' && fault.kind !== 'unfit'
}
