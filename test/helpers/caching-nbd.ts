import type { NbdDial } from '../../src/block/nbd/index.ts'
import { ALL_FLAGS, type FakeRequest, type Peer, pack, type Terms } from './fake-nbd.ts'
import { memoryNbd } from './memory-nbd.ts'

/** A request, as the server sees it. */
export interface Seen {
  /** Connections are numbered from 1. */
  readonly connection: number
  readonly request: FakeRequest
}

/** Types of requests. */
export const TYPE = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  zeroes: 6,
  status: 7,
} as const

/** A server in memory with a volatile cache, which a crash takes with it. */
export class CachingNbd {
  readonly dial: NbdDial
  /** What a crash leaves. */
  readonly stable: Buffer
  /** Every request that came, in order. */
  readonly seen: Seen[] = []
  /**
   * Called before a request is done, and waited for; it is not done if its connection was cut meanwhile. The error to
   * answer instead, if it is a number that is not 0.
   */
  onRequest: (seen: Seen) => Promise<unknown> | unknown = () => undefined
  readonly #server: { readonly connections: number }
  readonly #peers = new Map<number, Peer>()
  #cache: Buffer

  constructor({ size = 4 << 20, flags = ALL_FLAGS, ...terms }: Terms = {}) {
    this.stable = Buffer.alloc(size)
    this.#cache = Buffer.alloc(size)
    const server = memoryNbd((peer, connection) =>
      this.#serve(peer, connection, { size, flags, ...terms }),
    )
    this.dial = server.dial
    this.#server = server
  }

  /** Connections so far. */
  get connections(): number {
    return this.#server.connections
  }

  /** Requests of a type, by connection. */
  connectionsOf(type: number): number[] {
    return this.seen
      .filter(({ request }) => request.type === type)
      .map(({ connection }) => connection)
  }

  /** Ends one connection. */
  cut(connection: number): void {
    this.#peers.get(connection)?.socket.destroy()
  }

  /** Ends all connections, and loses what was not flushed. */
  crash(): void {
    this.#cache = Buffer.from(this.stable)
    for (const { socket } of this.#peers.values()) socket.destroy()
  }

  async #serve(peer: Peer, connection: number, terms: Terms): Promise<void> {
    await peer.agree(terms)
    this.#peers.set(connection, peer)
    for (;;) {
      const request = await peer.request()
      const seen = { connection, request }
      this.seen.push(seen)
      void this.#answer(peer, seen)
    }
  }

  async #answer(peer: Peer, seen: Seen): Promise<void> {
    const { request } = seen
    const errno = await this.onRequest(seen)
    if (peer.socket.destroyed) return
    if (typeof errno === 'number' && errno !== 0) {
      if (request.type === TYPE.read) peer.chunk(request, 0x8001, pack([4, errno], [2, 0]))
      else peer.simple(request, errno)
    } else if (request.type === TYPE.disconnect) peer.socket.destroy()
    else if (request.type === TYPE.read) this.#read(peer, request)
    else if (request.type === TYPE.status) this.#describe(peer, request)
    else {
      this.#change(request)
      peer.simple(request)
    }
  }

  #read(peer: Peer, request: FakeRequest): void {
    const { offset, length } = request
    const data = Buffer.alloc(8 + length)
    data.writeBigUInt64BE(BigInt(offset))
    this.#cache.copy(data, 8, offset, offset + length)
    peer.chunk(request, 1, data)
  }

  /** All of it is data. */
  #describe(peer: Peer, request: FakeRequest): void {
    peer.chunk(request, 5, pack([4, 7], [4, request.length], [4, 0]))
  }

  #change({ type, offset, length, data, flags }: FakeRequest): void {
    if (type === TYPE.write) data.copy(this.#cache, offset)
    if (type === TYPE.zeroes || type === TYPE.trim) this.#cache.fill(0, offset, offset + length)
    if (type === TYPE.flush) this.#cache.copy(this.stable)
    else if ((flags & 1) !== 0) this.#cache.copy(this.stable, offset, offset, offset + length)
  }
}
