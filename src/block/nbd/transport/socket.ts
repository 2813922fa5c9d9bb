import { lookup } from 'node:dns/promises'
import { connect, type NetConnectOpts, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { onAbort, untilAborted } from '../../../util/abort.ts'
import { reasonOf } from '../errors.ts'
import { alternating, race } from '../handshake/race.ts'
import { tlsOptions } from '../handshake/tls.ts'
import type { NbdAddress } from '../uri.ts'
import { NbdFault } from './fault.ts'
import type { NbdDial, NbdDialOptions, NbdStream, NbdStreamReceiver } from './stream.ts'

/** Messages up to this many bytes are joined for one system call; larger ones would cost more memory than calls. */
const JOIN_BYTES = 8 << 10

/**
 * Bytes that the system is given at a time. It reports only when it has taken all of them, so the chunks are small on a
 * slow link: at 1 KiB a second it reports every 16 seconds.
 */
const CHUNK_BYTES = { least: 16 << 10, most: 256 << 10 } as const

/** A chunk of a good size takes a time between these. */
const CHUNK_MS = { quick: 100, slow: 1000 } as const

/**
 * Connects over TCP, or to a unix socket. What goes in comes out of the kernel's buffers only, so `taken` may be ahead
 * of the server by as much as they hold.
 */
export const dialSocket: NbdDial = async (address, receiver, options) => {
  const { signal } = options
  const tls = await tlsOf(address, options)
  signal.throwIfAborted()
  const socket = await open(address, receiver, signal)
  return new SocketStream(socket, receiver, tls)
}

async function tlsOf(
  address: NbdAddress,
  options: NbdDialOptions,
): Promise<ConnectionOptions | undefined> {
  const { tls } = address
  return tls === undefined ? undefined : tlsOptions({ ...address, tls }, options.tls)
}

async function open(
  { server, tls }: NbdAddress,
  receiver: NbdStreamReceiver,
  signal: AbortSignal,
): Promise<Socket> {
  const onread: OnReadOpts = {
    buffer: () => receiver.space(),
    callback: (bytes) => {
      receiver.filled(bytes)
      return true
    },
  }
  // A socket that TLS will take over has to emit plain `data` events.
  const options = { noDelay: true, ...(tls === undefined && { onread }) }
  if ('path' in server) return connectOnce({ ...server, ...options }, signal)
  const found = await untilAborted(lookup(server.host, { all: true }), signal)
  const attempts = alternating(found).map(({ address }) => ({
    name: address,
    connect: (stop: AbortSignal) =>
      connectOnce({ host: address, port: server.port, ...options }, stop),
  }))
  return race(attempts, signal)
}

/** Resolves with a socket that is connected. */
function connectOnce(options: NetConnectOpts, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(options)
    const over = (): void => {
      listening()
      socket.off('error', failed)
    }
    const failed = (error: Error): void => {
      over()
      reject(error)
    }
    const listening = onAbort(signal, () => {
      over()
      socket.on('error', () => undefined)
      socket.destroy()
      reject(signal.reason)
    })
    socket.on('error', failed)
    socket.once('connect', () => {
      over()
      resolve(socket)
    })
  })
}

/** A socket to a server, plain or with TLS. */
class SocketStream implements NbdStream {
  readonly #receiver: NbdStreamReceiver
  readonly #tls: ConnectionOptions | undefined
  #socket: Socket
  #out: Uint8Array[] = []
  /** True if the system has not yet taken the data it was given. */
  #giving = false
  #scheduled = false
  #ending = false
  #chunkBytes: number = CHUNK_BYTES.least

  constructor(socket: Socket, receiver: NbdStreamReceiver, tls: ConnectionOptions | undefined) {
    this.#socket = socket
    this.#receiver = receiver
    this.#tls = tls
    if (tls !== undefined) socket.on('data', this.#deliver)
    socket.on('error', (error) => receiver.ended(error))
    socket.on('close', () => receiver.ended())
  }

  send(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.#out.push(piece)
    if (this.#scheduled || this.#giving) return
    // With all that is sent in this turn.
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.#give()
    })
  }

  keepAlive(isNeeded: boolean): void {
    if (isNeeded) this.#socket.ref()
    else this.#socket.unref()
  }

  async startTls(): Promise<void> {
    this.#give()
    this.#socket.off('data', this.#deliver)
    const socket = connectTls({ ...this.#tls, socket: this.#socket })
    this.#socket = socket
    await new Promise<void>((resolve, reject) => {
      const failed = (reason: string, cause?: Error): void => {
        const fault = new NbdFault('lost', reason, undefined, cause)
        this.#receiver.ended(fault)
        reject(fault)
      }
      socket.on('error', (error) => failed(`TLS failed: ${reasonOf(error)}`, error))
      socket.on('close', () => failed('the server closed the connection during TLS'))
      socket.once('secureConnect', resolve)
    })
    socket.on('data', this.#deliver)
  }

  end(): void {
    this.#ending = true
    this.#give()
  }

  destroy(): void {
    this.#out = []
    this.#socket.destroy()
  }

  /** Gives the system as much as it may have at a time, and the rest when it has taken that. */
  #give(): void {
    if (this.#giving || this.#socket.destroyed) return
    const pieces = this.#takeChunk()
    if (pieces.length === 0) {
      if (this.#ending) this.#socket.end()
      return
    }
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const joined = bytes <= JOIN_BYTES ? [Buffer.concat(pieces, bytes)] : pieces
    const last = joined.pop() as Uint8Array
    this.#giving = true
    const givenAt = performance.now()
    this.#socket.cork()
    for (const piece of joined) this.#socket.write(piece)
    this.#socket.write(last, (error) => {
      this.#giving = false
      if (error !== undefined && error !== null) return
      this.#adapt(performance.now() - givenAt)
      this.#receiver.taken(bytes)
      this.#give()
    })
    this.#socket.uncork()
  }

  #adapt(ms: number): void {
    const bytes = this.#chunkBytes
    if (ms < CHUNK_MS.quick) this.#chunkBytes = Math.min(2 * bytes, CHUNK_BYTES.most)
    if (ms > CHUNK_MS.slow) this.#chunkBytes = Math.max(bytes / 2, CHUNK_BYTES.least)
  }

  #takeChunk(): Uint8Array[] {
    const out = this.#out
    const pieces: Uint8Array[] = []
    let left = this.#chunkBytes
    let count = 0
    for (; count < out.length && left > 0; count++) {
      const piece = out[count] as Uint8Array
      if (piece.length > left) {
        pieces.push(piece.subarray(0, left))
        out[count] = piece.subarray(left)
        left = 0
        break
      }
      pieces.push(piece)
      left -= piece.length
    }
    out.splice(0, count)
    return pieces
  }

  readonly #deliver = (chunk: Uint8Array): void => {
    for (let at = 0; at < chunk.length; ) {
      const space = this.#receiver.space()
      const bytes = Math.min(space.length, chunk.length - at)
      space.set(chunk.subarray(at, at + bytes))
      at += bytes
      this.#receiver.filled(bytes)
    }
  }
}
