import type { Random } from '../world/random.ts'
import type { Scheduler } from '../world/scheduler.ts'
import type { Trace } from '../world/trace.ts'
import { type LinkTraits, Pipe } from './pipe.ts'

/** The process at the client's end of a connection; it may be paused, or gone. */
export interface Caller {
  readonly name: string
  /** True if it exists; once it is gone, nothing that it awaits ever settles. */
  readonly alive: boolean
  /** Runs something in the process, as soon as it runs. */
  whenRunning(happen: () => void): void
}

/** One end of a connection. */
export interface Socket {
  /** Bytes have arrived. */
  onData: (bytes: Uint8Array) => void
  /** This many more bytes were taken for sending. */
  onTaken: (bytes: number) => void
  /** The connection is over; without an error, the other end has closed it. */
  onEnd: (error?: Error) => void
  /** Sends pieces, after all that was sent before. They must not change until they are taken. */
  write(pieces: readonly Uint8Array[]): void
  /** Sends what is left, and then the end of the stream. */
  end(): void
  /** Drops the connection immediately. */
  destroy(): void
  /** Pauses or resumes receiving. */
  pause(isPaused: boolean): void
}

/** A connection: faults hit both ends. */
export interface Link<C extends Caller = Caller> {
  readonly caller: C
  readonly address: string
  /** Resets it: both ends get an error, and bytes in flight never arrive. */
  reset(why: string): void
  /** The client's process is gone: its system closes its end. */
  leave(): void
  /** The server's end vanishes silently; the client is not notified until the connection is reset. */
  sever(): void
  /** Stalls it for `ms` milliseconds: towards the server, from it, or both. */
  stall(ms: number, which: 'to' | 'from' | 'both'): void
}

/** What is at an address. */
export interface Endpoint<C extends Caller> {
  /** Called with the server's end of each connection. Absent: the machine refuses connections. */
  readonly accept?: (socket: Socket, link: Link<C>) => void
  /** Milliseconds to connect, besides the latency. */
  readonly acceptMs?: number
  /** The machine is off, or cut off: connecting gets no answer. */
  readonly silent?: boolean
}

/** How a network is made. */
export interface NetworkOptions {
  readonly scheduler: Scheduler
  readonly trace: Trace
  readonly traits: LinkTraits
  /** A stream of random numbers for each connection. */
  readonly random: (connection: number) => Random
  /** True if bytes sent by a process that is gone still arrive, as long as its system keeps the connection. */
  readonly lateBytes: boolean
}

/**
 * Machines at addresses, and the connections between them. Bytes arrive in order, late, and cut anywhere; connections
 * stall, are reset,
 * * or fall silent. A process that is gone sends nothing new, but bytes that its system has accepted may still arrive.
 */
export class Network<C extends Caller> {
  readonly #options: NetworkOptions
  readonly #endpoints = new Map<string, Endpoint<C>>()
  readonly #links = new Set<Connection<C>>()
  #connections = 0
  #healed = false

  constructor(options: NetworkOptions) {
    this.#options = options
  }

  /** All open connections. */
  get links(): readonly Link<C>[] {
    return [...this.#links]
  }

  /** Sets what is at an address from now on. */
  put(address: string, endpoint: Endpoint<C>): void {
    this.#endpoints.set(address, endpoint)
  }

  /** Ends all stalls and delays, from now on. */
  heal(): void {
    this.#healed = true
    for (const link of this.#links) link.heal()
  }

  /**
   * * Connects to an address; never settles if the machine does not answer.
   * @throws {Error} a system's error: nobody listens there
   * @throws the signal's reason
   */
  connect(address: string, caller: C, signal: AbortSignal): Promise<Socket> {
    const { scheduler, traits, random, trace } = this.#options
    const number = this.#connections++
    const stream = random(number)
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const aborted = (): void => reject(signal.reason)
      signal.addEventListener('abort', aborted, { once: true })
      const answer = (act: () => void): void => {
        scheduler.after(traits.latencyMs * (0.5 + stream.float()), () => {
          caller.whenRunning(() => {
            signal.removeEventListener('abort', aborted)
            if (!signal.aborted) act()
          })
          return true
        })
      }
      const arrive = (): void => {
        const endpoint = this.#endpoints.get(address) ?? {}
        // A system retries until the machine answers.
        if (endpoint.silent === true) {
          scheduler.after(SILENCE_MS, () => {
            if (!signal.aborted && caller.alive) arrive()
            return false
          })
        } else if (endpoint.accept === undefined) {
          answer(() => reject(systemError('ECONNREFUSED', -111, `connect ${address}`)))
        } else {
          const { accept } = endpoint
          answer(() => {
            const link = new Connection<C>(address, caller, stream, this.#options, () => {
              this.#links.delete(link)
            })
            this.#links.add(link)
            if (this.#healed) link.heal()
            trace(() => `${caller.name} connects to ${address} (${number})`)
            accept(link.server, link)
            resolve(link.client)
          })
        }
      }
      const { acceptMs = 0 } = this.#endpoints.get(address) ?? {}
      scheduler.after(acceptMs + traits.latencyMs * (0.5 + stream.float()), () => {
        if (!signal.aborted && caller.alive) arrive()
        return false
      })
    })
  }
}

/** How often connecting is retried. */
const SILENCE_MS = 50

class End implements Socket {
  onData: (bytes: Uint8Array) => void = () => undefined
  onTaken: (bytes: number) => void = () => undefined
  onEnd: (error?: Error) => void = () => undefined
  readonly #out: () => Pipe
  readonly #in: () => Pipe
  readonly #leave: () => void
  /** True if its owner has dropped it, or has received its end. */
  #closed = false

  constructor(out: () => Pipe, into: () => Pipe, leave: () => void) {
    this.#out = out
    this.#in = into
    this.#leave = leave
  }

  write(pieces: readonly Uint8Array[]): void {
    if (!this.#closed) this.#out().write(pieces)
  }

  end(): void {
    if (!this.#closed) this.#out().finish()
  }

  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.#leave()
  }

  pause(isPaused: boolean): void {
    this.#in().pause(isPaused)
  }

  /** Calls the owner, unless it has dropped this end. */
  tell(what: (end: End) => void): void {
    if (!this.#closed) what(this)
  }

  finish(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.onEnd(error)
  }
}

class Connection<C extends Caller> implements Link<C> {
  readonly address: string
  readonly caller: C
  readonly client: End
  readonly server: End
  readonly #to: Pipe
  readonly #from: Pipe
  readonly #random: Random
  readonly #options: NetworkOptions
  readonly #onGone: () => void

  constructor(
    address: string,
    caller: C,
    random: Random,
    options: NetworkOptions,
    onGone: () => void,
  ) {
    const { scheduler, traits } = options
    this.address = address
    this.caller = caller
    this.#random = random
    this.#options = options
    this.#onGone = onGone
    const to = (): Pipe => this.#to
    const from = (): Pipe => this.#from
    this.client = new End(to, from, () => this.#clientLeaves())
    this.server = new End(from, to, () => this.#serverLeaves())
    const tellClient = (what: (end: End) => void): void =>
      caller.whenRunning(() => this.client.tell(what))
    this.#to = new Pipe(scheduler, random, traits, {
      arrive: (bytes) => this.server.tell((end) => end.onData(bytes)),
      taken: (bytes) => tellClient((end) => end.onTaken(bytes)),
      over: () => {
        this.server.finish()
        this.#from.finish()
      },
    })
    this.#from = new Pipe(scheduler, random, traits, {
      arrive: (bytes) => tellClient((end) => end.onData(bytes)),
      taken: (bytes) => this.server.tell((end) => end.onTaken(bytes)),
      over: () => {
        tellClient((end) => end.finish())
        this.#to.finish()
        this.#gone()
      },
    })
  }

  reset(why: string): void {
    this.#options.trace(
      () => `${this.caller.name}: the connection to ${this.address} is reset: ${why}`,
    )
    this.#close()
    this.server.finish(systemError('ECONNRESET', -104, 'read'))
    this.caller.whenRunning(() => this.client.finish(systemError('ECONNRESET', -104, 'read')))
  }

  sever(): void {
    this.#to.close()
    this.#from.close()
    this.server.finish(systemError('ECONNRESET', -104, 'read'))
  }

  leave(): void {
    this.client.destroy()
  }

  stall(ms: number, which: 'to' | 'from' | 'both'): void {
    if (which !== 'from') this.#to.stall(ms)
    if (which !== 'to') this.#from.stall(ms)
  }

  heal(): void {
    this.#to.heal()
    this.#from.heal()
  }

  #clientLeaves(): void {
    this.#from.close()
    if (this.#options.lateBytes) {
      this.#to.abandon()
      return
    }
    if (this.#random.chance(0.5)) this.#to.hurry()
    this.#close()
    this.server.finish(systemError('ECONNRESET', -104, 'read'))
  }

  #serverLeaves(): void {
    this.#to.close()
    this.#from.abandon()
  }

  #close(): void {
    this.#to.close()
    this.#from.close()
    this.#gone()
  }

  #gone(): void {
    this.#onGone()
  }
}

/** An error as a system reports it. */
export function systemError(code: string, errno: number, syscall: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall })
}
