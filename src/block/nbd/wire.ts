import { connect, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { systemCode } from '../file/errors.ts'
import { reasonOf } from './errors.ts'
import { NbdFault } from './fault.ts'
import type { NbdAddress } from './uri.ts'

/** Messages up to this many bytes are joined for one system call; larger ones would cost more memory than calls. */
const JOIN_BYTES = 8 << 10

/** Milliseconds that a server has to close a connection that was ended here. */
const FAREWELL_MS = 1000

/** Takes what the server sends. */
export interface Receiver {
  /** Memory for what comes next: at least one byte, and asked for anew after each `filled`. */
  space(): Uint8Array
  /** So many bytes of the last `space` were filled. */
  filled(bytes: number): void
  /** Nothing more comes. Called once. */
  ended(fault: NbdFault): void
}

/** Brings bytes to the receiver of the moment, into its own memory where the socket can do that. */
class Delivery {
  receiver: Receiver
  fault: NbdFault | undefined
  /** Whose memory the socket reads into next. */
  #offeredBy: Receiver | undefined

  constructor(receiver: Receiver) {
    this.receiver = receiver
  }

  readonly onread: OnReadOpts = {
    buffer: () => {
      // After a fault nobody's memory may be written to; the socket is about to be destroyed.
      if (this.fault !== undefined) return new Uint8Array(1)
      this.#offeredBy = this.receiver
      return this.receiver.space()
    },
    callback: (bytes, buffer) => {
      if (this.#offeredBy !== this.receiver) this.copy(buffer.subarray(0, bytes))
      else if (this.fault === undefined) this.receiver.filled(bytes)
      return true
    },
  }

  copy(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.fault === undefined; ) {
      const space = this.receiver.space()
      const bytes = Math.min(space.length, chunk.length - at)
      space.set(chunk.subarray(at, at + bytes))
      at += bytes
      this.receiver.filled(bytes)
    }
  }

  end(fault: NbdFault): void {
    if (this.fault !== undefined) return
    this.fault = fault
    this.receiver.ended(fault)
  }
}

/** A socket to a server, plain or with TLS. */
export class Wire {
  readonly #delivery: Delivery
  readonly #closed: Promise<void>
  #socket: Socket
  #out: Uint8Array[] = []
  #outBytes = 0

  private constructor(socket: Socket, delivery: Delivery) {
    this.#socket = socket
    this.#delivery = delivery
    socket.on('error', (error) => delivery.end(lost(error)))
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        delivery.end(new NbdFault('lost', 'the server closed the connection'))
        resolve()
      })
    })
  }

  /** Begins to connect. The receiver hears of it if that fails. */
  static open({ server, tls }: NbdAddress, receiver: Receiver): Wire {
    const delivery = new Delivery(receiver)
    const onread = tls === undefined ? { onread: delivery.onread } : {}
    const socket = connect({ ...server, noDelay: true, ...onread })
    // A socket that TLS will take over has to hand its bytes out as they are.
    if (tls !== undefined) socket.on('data', (chunk) => delivery.copy(chunk))
    return new Wire(socket, delivery)
  }

  /** Hands what comes from now on to another receiver. */
  handOver(receiver: Receiver): void {
    this.#delivery.receiver = receiver
    if (this.#delivery.fault !== undefined) receiver.ended(this.#delivery.fault)
  }

  /**
   * Encrypts from here on. Only for addresses with TLS, and while the server is silent.
   * @throws {NbdFault} TLS refuses
   */
  async startTls(options: ConnectionOptions): Promise<void> {
    const delivery = this.#delivery
    this.#flush()
    this.#socket.removeAllListeners('data')
    const socket = connectTls({ ...options, socket: this.#socket })
    this.#socket = socket
    socket.on('error', (error) => {
      delivery.end(new NbdFault('lost', `TLS failed: ${reasonOf(error)}`, undefined, error))
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('close', () => {
        delivery.end(new NbdFault('lost', 'the server closed the connection during TLS'))
        reject(delivery.fault)
      })
    })
    socket.on('data', (chunk) => delivery.copy(chunk))
  }

  /** Sends the pieces, with all that is sent in this turn. They must not change until they are answered. */
  send(...pieces: readonly Uint8Array[]): void {
    if (this.#out.length === 0) process.nextTick(() => this.#flush())
    for (const piece of pieces) {
      this.#out.push(piece)
      this.#outBytes += piece.length
    }
  }

  /** Whether the open connection keeps the process alive. */
  hold(needed: boolean): void {
    if (needed) this.#socket.ref()
    else this.#socket.unref()
  }

  /** Sends what is to be sent, and ends the connection; waits for the server to do so, but not for long. */
  async end(): Promise<void> {
    this.#flush()
    this.#socket.ref()
    this.#socket.end()
    const timer = setTimeout(() => this.#socket.destroy(), FAREWELL_MS)
    await this.#closed
    clearTimeout(timer)
  }

  /** Ends the connection now. */
  destroy(fault: NbdFault): void {
    this.#delivery.end(fault)
    this.#socket.destroy()
  }

  #flush(): void {
    const pieces = this.#out
    const bytes = this.#outBytes
    this.#out = []
    this.#outBytes = 0
    if (this.#socket.destroyed || pieces.length === 0) return
    if (bytes <= JOIN_BYTES) {
      this.#socket.write(Buffer.concat(pieces, bytes))
      return
    }
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }
}

function lost(error: Error): NbdFault {
  return new NbdFault('lost', reasonOf(error), systemCode(error), error)
}
