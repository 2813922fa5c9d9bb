import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const OPTION_MAGIC = '49484156454f5054'
const REPLY_MAGIC = '0003e889045565a9'

/** Flags of an export that can do everything but take writes through several connections. */
export const ALL_FLAGS = 0x00ed

/** The same, and several connections. */
export const MULTI_CONN_FLAGS = 0x01ed

/** Hexadecimal digits, a number in so many bytes, or bytes. */
export type Part = string | readonly [bytes: number, value: number] | Uint8Array

/** The parts, one after the other. */
export function pack(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part, 'hex')
      if (part instanceof Uint8Array) return part
      const [bytes, value] = part
      const buffer = Buffer.alloc(bytes)
      if (bytes === 8) buffer.writeBigUInt64BE(BigInt(value))
      else buffer.writeUIntBE(value, 0, bytes)
      return buffer
    }),
  )
}

/** What an option asks. */
export interface Option {
  readonly option: number
  readonly data: Buffer
}

/** What a request asks; `data` only for a write. */
export interface FakeRequest {
  readonly flags: number
  readonly type: number
  readonly cookie: Buffer
  readonly offset: number
  readonly length: number
  readonly data: Buffer
}

/** What a server agrees to. */
export interface Terms {
  /** Transmission flags. */
  readonly flags?: number
  /** Structured replies. */
  readonly structured?: boolean
  /** Bytes of the export. */
  readonly size?: number
  /** Bytes in a request at most; not told if it is left away. */
  readonly maximum?: number
}

/** The client, as a server that a test scripts sees it. */
export class Peer {
  readonly socket: Duplex
  #received: Buffer[] = []
  #bytes = 0

  constructor(socket: Duplex) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#bytes += chunk.length
      socket.emit('more')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => socket.emit('more'))
  }

  send(...parts: Part[]): void {
    this.socket.write(pack(...parts))
  }

  async read(bytes: number): Promise<Buffer> {
    while (this.#bytes < bytes) {
      if (this.socket.destroyed) throw new Error('the client left')
      await once(this.socket, 'more')
    }
    const [first = Buffer.of(), ...more] = this.#received
    const received = more.length === 0 ? first : Buffer.concat(this.#received)
    this.#received = [received.subarray(bytes)]
    this.#bytes -= bytes
    return received.subarray(0, bytes)
  }

  /** Begins as a server of the fixed new style does. */
  async greet(flags = 3): Promise<void> {
    this.send('4e42444d41474943', OPTION_MAGIC, [2, flags])
    await this.read(4)
  }

  async option(): Promise<Option> {
    const header = await this.read(16)
    const data = await this.read(header.readUInt32BE(12))
    return { option: header.readUInt32BE(8), data }
  }

  answer(option: number, type: number, data: Uint8Array = Buffer.alloc(0)): void {
    this.send(REPLY_MAGIC, [4, option], [4, type], [4, data.length], data)
  }

  /** Agrees to everything, and to an export of 1 MiB. */
  async agree(terms: Terms = {}): Promise<void> {
    const { flags = ALL_FLAGS, structured = true, size = 1 << 20, maximum } = terms
    await this.greet()
    for (;;) {
      const { option } = await this.option()
      if (option === 8) this.answer(option, structured ? 1 : 0x80000001)
      if (option === 10) {
        this.answer(option, 4, pack([4, 7], Buffer.from('base:allocation')))
        this.answer(option, 1)
      }
      if (option === 7) {
        this.answer(option, 3, pack([2, 0], [8, size], [2, flags]))
        if (maximum !== undefined) {
          this.answer(option, 3, pack([2, 3], [4, 512], [4, 4096], [4, maximum]))
        }
        this.answer(option, 1)
        return
      }
    }
  }

  async request(): Promise<FakeRequest> {
    const header = await this.read(28)
    const type = header.readUInt16BE(6)
    const length = header.readUInt32BE(24)
    return {
      flags: header.readUInt16BE(4),
      type,
      cookie: header.subarray(8, 16),
      offset: Number(header.readBigUInt64BE(16)),
      length,
      data: await this.read(type === 1 ? length : 0),
    }
  }

  simple({ cookie }: FakeRequest, errno = 0): void {
    this.send('67446698', [4, errno], cookie)
  }

  chunk({ cookie }: FakeRequest, type: number, data: Uint8Array, done = true): void {
    this.send('668e33ef', [2, done ? 1 : 0], [2, type], cookie, [4, data.length], data)
  }

  /** Answers a part of a read with bytes that are all alike. */
  data(request: FakeRequest, at: number, length: number, value: number, done = true): void {
    const bytes = Buffer.alloc(length, value)
    this.chunk(request, 1, pack([8, request.offset + at], bytes), done)
  }
}

/** A server that a test scripts. */
export interface FakeServer extends AsyncDisposable {
  /** Connections so far. */
  readonly connections: number
}

/** Serves each connection by the script, which may end when the client leaves. */
export async function startFake(
  path: string,
  script: (peer: Peer, connection: number) => Promise<void>,
): Promise<FakeServer> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    connections++
    script(new Peer(socket), connections).catch(() => socket.destroy())
  })
  server.listen({ path })
  await once(server, 'listening')
  return {
    get connections() {
      return connections
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
