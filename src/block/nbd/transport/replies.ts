import type { Export } from '../handshake/negotiate.ts'
import { CHUNK, CHUNK_DONE, CHUNK_ERROR, COMMAND, MAGIC, readOffset } from '../protocol.ts'
import type { Exchange } from './exchange.ts'
import { broken } from './fault.ts'

const STAGING_BYTES = 64 << 10

/** If at least this many bytes are missing, the socket reads into the caller's memory; fewer are copied. */
const DIRECT_BYTES = 16 << 10

const SIMPLE_BYTES = 16
const CHUNK_HEADER_BYTES = 20

/** Bytes in a chunk other than data: an error with a long message. */
const MAX_CHUNK_BYTES = 8 << 10

/** The same for block status, of which a server may send more than requested. */
const MAX_STATUS_BYTES = 60 << 10

/** Finds the requests that replies are for. */
export interface Requests {
  /** @throws {NbdFault} there is no such request */
  find(cookieHigh: number, cookie: number): Exchange
  /** The reply is complete. */
  done(cookie: number, exchange: Exchange): void
}

/** Data that is arriving. */
interface Incoming {
  readonly exchange: Exchange
  readonly cookie: number
  /** True if the reply ends with it. */
  readonly last: boolean
  /** The offset of the next byte in the request. */
  at: number
  left: number
}

/** Parses replies as they arrive. It buffers at most {@link STAGING_BYTES} of them, whatever the server sends. */
export class ReplyParser {
  readonly #requests: Requests
  readonly #export: Export
  readonly #staging = new Uint8Array(new ArrayBuffer(STAGING_BYTES))
  readonly #view = new DataView(this.#staging.buffer)
  #start = 0
  #end = 0
  #incoming: Incoming | undefined
  #direct = false

  constructor(requests: Requests, settings: Export) {
    this.#requests = requests
    this.#export = settings
  }

  /** Memory for the next bytes. */
  space(): Uint8Array {
    const incoming = this.#incoming
    this.#direct = incoming !== undefined && incoming.left >= DIRECT_BYTES
    if (incoming !== undefined && this.#direct) {
      return incoming.exchange.spaceAt(incoming.at).subarray(0, incoming.left)
    }
    if (this.#start > 0) {
      this.#staging.copyWithin(0, this.#start, this.#end)
      this.#end -= this.#start
      this.#start = 0
    }
    return this.#staging.subarray(this.#end)
  }

  /**
   * This many bytes of the last `space` were filled.
   * @throws {NbdFault} the server broke the protocol
   */
  filled(bytes: number): void {
    if (this.#direct) this.#advance(bytes)
    else this.#end += bytes
    while (this.#incoming === undefined ? this.#parse() : this.#copy(this.#incoming));
  }

  get #unread(): number {
    return this.#end - this.#start
  }

  /** Copies data that was read together with other bytes. Returns whether there may be more to do. */
  #copy(incoming: Incoming): boolean {
    const bytes = Math.min(incoming.left, this.#unread)
    if (bytes === 0) return false
    incoming.exchange.put(incoming.at, this.#staging.subarray(this.#start, this.#start + bytes))
    this.#start += bytes
    this.#advance(bytes)
    return true
  }

  #advance(bytes: number): void {
    const incoming = this.#incoming
    if (incoming === undefined) return
    incoming.at += bytes
    incoming.left -= bytes
    if (incoming.left > 0) return
    this.#incoming = undefined
    if (incoming.last) this.#requests.done(incoming.cookie, incoming.exchange)
  }

  /** Takes the next header. Returns whether there may be more to do. */
  #parse(): boolean {
    if (this.#unread < SIMPLE_BYTES) return false
    const magic = this.#view.getUint32(this.#start)
    if (magic === MAGIC.simpleReply) return this.#simple()
    if (magic === MAGIC.structuredReply && this.#export.structured) return this.#chunk()
    throw broken('the magic of a reply', `0x${magic.toString(16)}`)
  }

  #simple(): boolean {
    const errno = this.#view.getUint32(this.#start + 4)
    const cookie = this.#view.getUint32(this.#start + 12)
    const exchange = this.#requests.find(this.#view.getUint32(this.#start + 8), cookie)
    const { command, length } = exchange.request
    if (this.#export.structured && command === COMMAND.read) {
      throw broken('a reply in chunks to a read', 'a simple one')
    }
    this.#start += SIMPLE_BYTES
    if (errno !== 0) exchange.refuse(errno)
    if (errno === 0 && command === COMMAND.read) {
      exchange.expect(0, length)
      this.#incoming = { exchange, cookie, last: true, at: 0, left: length }
    } else {
      this.#requests.done(cookie, exchange)
    }
    return true
  }

  #chunk(): boolean {
    if (this.#unread < CHUNK_HEADER_BYTES) return false
    const cookie = this.#view.getUint32(this.#start + 12)
    const exchange = this.#requests.find(this.#view.getUint32(this.#start + 8), cookie)
    const type = this.#view.getUint16(this.#start + 6)
    const length = this.#view.getUint32(this.#start + 16)
    const body = this.#start + CHUNK_HEADER_BYTES
    const last = (this.#view.getUint16(this.#start + 4) & CHUNK_DONE) !== 0
    if (type === CHUNK.offsetData) {
      if (this.#unread < CHUNK_HEADER_BYTES + 8) return false
      const at = this.#offsetIn(exchange, body)
      if (length <= 8) throw broken('data in a chunk', 'none')
      exchange.expect(at, length - 8)
      this.#start = body + 8
      this.#incoming = { exchange, cookie, last, at, left: length - 8 }
      return true
    }
    const most = type === CHUNK.blockStatus ? MAX_STATUS_BYTES : MAX_CHUNK_BYTES
    if (length > most) {
      throw broken(`at most ${most} bytes in a chunk of type ${type}`, `${length}`)
    }
    if (this.#unread < CHUNK_HEADER_BYTES + length) return false
    this.#start = body + length
    if ((type & CHUNK_ERROR) !== 0) this.#error(exchange, type, body, length)
    else if (type === CHUNK.offsetHole) this.#hole(exchange, body, length)
    else if (type === CHUNK.blockStatus) this.#status(exchange, body, length)
    else if (type !== CHUNK.none || !last || length > 0) {
      throw broken('a known chunk', `one of type ${type} with ${length} bytes`)
    }
    if (last) this.#requests.done(cookie, exchange)
    return true
  }

  #offsetIn({ request }: Exchange, at: number): number {
    if (request.command !== COMMAND.read) throw broken('no data', 'data, and nothing was read')
    return readOffset(this.#view, at) - request.offset
  }

  #hole(exchange: Exchange, body: number, length: number): void {
    if (length !== 12) throw broken('12 bytes about a hole', `${length}`)
    const at = this.#offsetIn(exchange, body)
    const bytes = this.#view.getUint32(body + 8)
    if (bytes === 0) throw broken('a hole', 'one of no bytes')
    exchange.expect(at, bytes)
    exchange.clear(at, bytes)
  }

  #status(exchange: Exchange, body: number, length: number): void {
    if (exchange.request.command !== COMMAND.blockStatus) {
      throw broken('no description of bytes', 'one, and it was not asked for')
    }
    // One extent was requested. Further ones are ignored, and requested again.
    if (length < 12 || length % 8 !== 4) {
      throw broken('descriptions of bytes, of 8 bytes each', `${length} bytes`)
    }
    const context = this.#view.getUint32(body)
    if (context !== this.#export.allocation) {
      throw broken(`meta context ${this.#export.allocation}`, `${context}`)
    }
    const bytes = this.#view.getUint32(body + 4)
    if (bytes === 0) throw broken('a description of some bytes', 'one of none')
    exchange.describe({ length: bytes, flags: this.#view.getUint32(body + 8) })
  }

  #error(exchange: Exchange, type: number, body: number, length: number): void {
    if (length < 6) throw broken('an error and its message', `${length} bytes`)
    const words = this.#view.getUint16(body + 4)
    const known = type === CHUNK.error || type === CHUNK.errorOffset
    if (known && length !== 6 + words + (type === CHUNK.errorOffset ? 8 : 0)) {
      throw broken(`an error with ${words} bytes of message`, `${length} bytes`)
    }
    const end = known ? body + 6 + words : body + 6
    const message = Buffer.from(this.#staging.slice(body + 6, end)).toString('utf8')
    exchange.refuse(this.#view.getUint32(body), message)
  }
}
