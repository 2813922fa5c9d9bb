import { shown } from '../../claim/protocol.ts'
import {
  HANDSHAKE,
  MAGIC,
  MAX_STRING_BYTES,
  OPTION,
  OPTION_ERROR,
  OPTION_REPLY,
  REFUSAL,
} from '../protocol.ts'
import { broken, NbdFault } from '../transport/fault.ts'
import type { Wire } from '../transport/wire.ts'
import type { HandshakeReader } from './handshake-reader.ts'

/** The largest reply: two strings, and some numbers. */
const MAX_REPLY_BYTES = 3 * MAX_STRING_BYTES

/** Replies to one option; a list of exports may be this long. */
const MAX_REPLIES = 10_000

/** A reply that is neither the last one nor a refusal. */
export interface OptionReply {
  /** One of `OPTION_REPLY`. */
  readonly type: number
  readonly data: Buffer
}

/** The reasons of a server for refusing an option. */
export interface Refusal {
  /** One of `REFUSAL`. */
  readonly code: number
  /** A text for people. */
  readonly reason: string
}

/** The options that client and server agree on before transmission, one at a time. */
export class OptionNegotiation {
  /** True if the server takes options that it may refuse. */
  fixedNewstyle = false
  /** True if the server omits the padding after its reply to `exportName`. */
  noZeroes = false
  readonly #wire: Wire
  readonly #reader: HandshakeReader

  constructor(wire: Wire, reader: HandshakeReader) {
    this.#wire = wire
    this.#reader = reader
  }

  /**
   * Reads the server's greeting, and sends this client's flags.
   * @throws {NbdFault}
   */
  async greet(): Promise<void> {
    const magic = await this.#reader.read(8)
    if (!begins(magic, MAGIC.init)) {
      throw broken('the magic of an NBD server', `${shown(magic.toString('latin1'))}`)
    }
    const style = await this.#reader.read(8)
    if (begins(style, MAGIC.oldStyle)) {
      throw new NbdFault('unfit', 'the server speaks only the old style of NBD')
    }
    if (!begins(style, MAGIC.option)) throw broken('the magic of options', style.toString('hex'))
    const flags = (await this.#reader.read(2)).readUInt16BE()
    this.fixedNewstyle = (flags & HANDSHAKE.fixedNewstyle) !== 0
    this.noZeroes = (flags & HANDSHAKE.noZeroes) !== 0
    const ours = Buffer.alloc(4)
    ours.writeUInt32BE(flags & (HANDSHAKE.fixedNewstyle | HANDSHAKE.noZeroes))
    this.#wire.send(ours)
  }

  /**
   * Requests an option, and reads all replies to it.
   * @returns undefined if the server agreed
   * @throws {NbdFault}
   */
  async ask(
    option: number,
    data: Uint8Array,
    onReply: (reply: OptionReply) => void = refuseReplies,
  ): Promise<Refusal | undefined> {
    this.send(option, data)
    for (let replies = 0; replies < MAX_REPLIES; replies++) {
      const reply = await this.#replyTo(option)
      if (reply.type === OPTION_REPLY.ack) return undefined
      if (reply.type >= OPTION_ERROR) return refusalOf(reply)
      onReply(reply)
    }
    throw broken(`at most ${MAX_REPLIES} replies to option ${option}`, 'more')
  }

  /** Requests an option that has no such replies. */
  send(option: number, data: Uint8Array = new Uint8Array(0)): void {
    const header = Buffer.alloc(16)
    header.writeUInt32BE(MAGIC.option[0], 0)
    header.writeUInt32BE(MAGIC.option[1], 4)
    header.writeUInt32BE(option, 8)
    header.writeUInt32BE(data.length, 12)
    this.#wire.send(header, data)
  }

  /** The bytes after an option that has no such replies. */
  read(bytes: number): Promise<Buffer> {
    return this.#reader.read(bytes)
  }

  /** @throws {NbdFault} the server has sent unrequested data */
  checkSilent(): void {
    if (this.#reader.unread > 0) {
      throw broken('nothing more for now', `${this.#reader.unread} unrequested bytes`)
    }
  }

  /** Says farewell, and ends the connection. */
  async abort(): Promise<void> {
    if (this.fixedNewstyle) this.send(OPTION.abort)
    await this.#wire.end()
  }

  async #replyTo(option: number): Promise<OptionReply> {
    const header = await this.#reader.read(20)
    if (!begins(header, MAGIC.optionReply)) {
      throw broken('the magic of a reply to an option', header.toString('hex', 0, 8))
    }
    const to = header.readUInt32BE(8)
    if (to !== option) throw broken(`a reply to option ${option}`, `one to option ${to}`)
    const bytes = header.readUInt32BE(16)
    if (bytes > MAX_REPLY_BYTES) {
      throw broken(`at most ${MAX_REPLY_BYTES} bytes in a reply`, `${bytes}`)
    }
    return { type: header.readUInt32BE(12), data: await this.#reader.read(bytes) }
  }
}

function begins(bytes: Buffer, [high, low]: readonly [number, number]): boolean {
  return bytes.readUInt32BE(0) === high && bytes.readUInt32BE(4) === low
}

function refuseReplies({ type }: OptionReply): void {
  throw broken('an acknowledgement', `a reply of type ${type}`)
}

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [REFUSAL.unsupported, 'it does not know that option'],
  [REFUSAL.policy, 'its policy forbids that'],
  [REFUSAL.invalid, 'it considers the request invalid'],
  [REFUSAL.platform, 'its platform cannot do that'],
  [REFUSAL.tlsRequired, 'it demands TLS: use nbds:// or nbds+unix://'],
  [REFUSAL.unknown, 'it has no such export'],
  [REFUSAL.shutdown, 'it is shutting down'],
  [REFUSAL.blockSizeRequired, 'it requires clients to observe block sizes'],
  [REFUSAL.tooBig, 'it considers the request too big'],
])

function refusalOf({ type, data }: OptionReply): Refusal {
  const code = type - OPTION_ERROR
  const meaning = MEANINGS.get(code) ?? `it refuses with error ${code}`
  const words = shown(data.toString('utf8'))
  return { code, reason: words === '' ? meaning : `${meaning} ('${words}')` }
}
