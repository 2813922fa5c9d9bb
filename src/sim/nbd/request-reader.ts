import { COMMAND, MAGIC, OPTION, REQUEST_BYTES } from '../../block/nbd/protocol.ts'
import { ByteQueue, viewOf } from './bytes.ts'

/** A request on the wire. */
export interface NbdRequest {
  readonly flags: number
  /** One of `COMMAND`. */
  readonly command: number
  /** As the client wrote it. */
  readonly cookie: Uint8Array
  readonly offset: number
  readonly length: number
  /** What to write; empty for other requests. */
  readonly data: Uint8Array
}

/** An option that a client asks for. */
export interface NbdOption {
  readonly option: number
  readonly data: Uint8Array
}

/** Receives the parts of what a client sends. */
export interface ClientWords {
  greeted(flags: number): void
  /** Returns whether transmission begins with that. */
  asked(option: NbdOption): boolean
  requested(request: NbdRequest): void
}

/** A client broke the protocol. */
export class ProtocolViolation extends Error {}

/** Parses what a client sends, as it arrives. */
export class RequestReader {
  readonly #queue = new ByteQueue()
  readonly #talk: Generator<number, void, Uint8Array>
  #wanted: number

  constructor(words: ClientWords) {
    this.#talk = talk(words)
    this.#wanted = this.#talk.next().value as number
  }

  /** Bytes of an incomplete request. */
  get unread(): number {
    return this.#queue.length
  }

  /**
   * Takes bytes that arrived.
   * @throws {ProtocolViolation}
   */
  push(bytes: Uint8Array): void {
    this.#queue.push(bytes)
    while (this.#queue.length >= this.#wanted) {
      this.#wanted = this.#talk.next(this.#queue.take(this.#wanted)).value as number
    }
  }
}

/** Yields how many bytes it needs next. */
function* talk(words: ClientWords): Generator<number, void, Uint8Array> {
  words.greeted(viewOf(yield 4).getUint32(0))
  for (let begins = false; !begins; ) {
    const header = viewOf(yield 16)
    const [high, low] = MAGIC.option
    if (header.getUint32(0) !== high || header.getUint32(4) !== low) {
      throw new ProtocolViolation('an option does not begin with its magic')
    }
    const data = yield header.getUint32(12)
    begins = words.asked({ option: header.getUint32(8), data })
  }
  for (;;) {
    const header = yield REQUEST_BYTES
    const view = viewOf(header)
    if (view.getUint32(0) !== MAGIC.request) {
      throw new ProtocolViolation('a request does not begin with its magic')
    }
    const command = view.getUint16(6)
    const length = view.getUint32(24)
    words.requested({
      flags: view.getUint16(4),
      command,
      cookie: header.slice(8, 16),
      offset: Number(view.getBigUint64(16)),
      length,
      data: command === COMMAND.write ? yield length : new Uint8Array(0),
    })
  }
}

/** True if a client is about to close the connection. */
export function isFarewell(option: NbdOption): boolean {
  return option.option === OPTION.abort
}
