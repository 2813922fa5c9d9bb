import {
  BASE_ALLOCATION,
  CHUNK,
  CHUNK_DONE,
  COMMAND,
  COMMAND_FLAG,
  EXPORT_FLAG,
  HANDSHAKE,
  INFO,
  MAGIC,
  OPTION,
  OPTION_ERROR,
  OPTION_REPLY,
  REFUSAL,
} from '../../block/nbd/protocol.ts'
import type { Socket } from '../net/network.ts'
import type { Random } from '../world/random.ts'
import { type Field, pack } from './bytes.ts'
import type { Asker, DiskServer, Served } from './disk-server.ts'
import { isFarewell, type NbdOption, type NbdRequest, RequestReader } from './request-reader.ts'

/** What a server can do, and how it does it. */
export interface ServerTraits {
  readonly fua: boolean
  readonly multiConn: boolean
  readonly writeZeroes: boolean
  readonly trim: boolean
  /** True if reads are answered in chunks, and holes distinguished from data. */
  readonly structured: boolean
  /** Bytes in a request at most. */
  readonly maximum: number
  /** The most requests of a connection that are carried out at the same time. */
  readonly parallel: number
}

/** Callbacks of a session. */
export interface SessionWatch {
  /** A complete request arrived. Returns an error of the protocol to refuse it. */
  arrived(request: NbdRequest): number
  /** The client broke the protocol. */
  violated(why: string): void
  /** The connection is over. */
  ended(): void
}

const META_CONTEXT = 7

/**
 * A server's end of a connection: the protocol, byte for byte. It answers requests in any order, reads in chunks if the
 * client agreed to that, and covers with a flush only what it answered before the flush came.
 */
export class NbdSession {
  readonly #socket: Socket
  readonly #server: DiskServer
  readonly #traits: ServerTraits
  readonly #asker: Asker
  readonly #watch: SessionWatch
  readonly #random: Random
  readonly #reader: RequestReader
  #structured = false
  #allocation = false
  readonly #waiting: NbdRequest[] = []
  readonly #doing = new Set<NbdRequest>()
  /** The number of changes that were answered; `#flushed` is how many of the first of them a flush has covered. */
  #answered = 0
  #flushed = 0
  /** True if the last flush left some that were answered while it was being done. */
  #leftBehind = false
  #over = false

  constructor(
    socket: Socket,
    server: DiskServer,
    traits: ServerTraits,
    asker: Asker,
    random: Random,
    watch: SessionWatch,
  ) {
    this.#socket = socket
    this.#server = server
    this.#traits = traits
    this.#asker = asker
    this.#watch = watch
    this.#random = random
    this.#reader = new RequestReader({
      greeted: () => undefined,
      asked: (option) => this.#asked(option),
      requested: (request) => this.#requested(request),
    })
    socket.onData = (bytes) => this.#take(bytes)
    socket.onEnd = () => this.#end()
    this.#send(
      [4, MAGIC.init[0]],
      [4, MAGIC.init[1]],
      [4, MAGIC.option[0]],
      [4, MAGIC.option[1]],
      [2, HANDSHAKE.fixedNewstyle | HANDSHAKE.noZeroes],
    )
  }

  /** True if something was changed and not flushed, and only reads are in flight. */
  get between(): boolean {
    return (
      this.#answered > this.#flushed &&
      this.#waiting.length === 0 &&
      [...this.#doing].every(({ command }) => command === COMMAND.read)
    )
  }

  /** True if changes were answered while the last flush was being done. */
  get leftBehind(): boolean {
    return this.#leftBehind
  }

  #take(bytes: Uint8Array): void {
    if (this.#over) return
    try {
      this.#reader.push(bytes)
    } catch (error) {
      this.#watch.violated(error instanceof Error ? error.message : String(error))
      this.#leave()
    }
  }

  #leave(): void {
    this.#socket.destroy()
    this.#end()
  }

  #end(): void {
    this.#over = true
    this.#watch.ended()
  }

  #send(...fields: readonly Field[]): void {
    if (!this.#over) this.#socket.write([pack(...fields)])
  }

  #answer(option: number, type: number, ...data: readonly Field[]): void {
    const body = pack(...data)
    const [high, low] = MAGIC.optionReply
    this.#send([4, high], [4, low], [4, option], [4, type], [4, body.length], body)
  }

  #asked(asked: NbdOption): boolean {
    const { option } = asked
    const { structured, maximum } = this.#traits
    if (isFarewell(asked)) {
      this.#leave()
      return false
    }
    if (option === OPTION.go) {
      const flags = this.#flags
      this.#answer(
        option,
        OPTION_REPLY.info,
        [2, INFO.export],
        [8, this.#server.sizeBytes],
        [2, flags],
      )
      this.#answer(
        option,
        OPTION_REPLY.info,
        [2, INFO.blockSize],
        [4, 512],
        [4, 4096],
        [4, maximum],
      )
      this.#answer(option, OPTION_REPLY.ack)
      return true
    }
    if (option === OPTION.structuredReply && structured) {
      this.#structured = true
      this.#answer(option, OPTION_REPLY.ack)
    } else if (option === OPTION.setMetaContext && this.#structured) {
      this.#allocation = true
      const name = new TextEncoder().encode(BASE_ALLOCATION)
      this.#answer(option, OPTION_REPLY.metaContext, [4, META_CONTEXT], name)
      this.#answer(option, OPTION_REPLY.ack)
    } else {
      this.#answer(option, OPTION_ERROR + REFUSAL.unsupported)
    }
    return false
  }

  get #flags(): number {
    const { fua, multiConn, writeZeroes, trim } = this.#traits
    return (
      EXPORT_FLAG.hasFlags |
      EXPORT_FLAG.flush |
      (fua ? EXPORT_FLAG.fua : 0) |
      (multiConn ? EXPORT_FLAG.multiConn : 0) |
      (writeZeroes ? EXPORT_FLAG.writeZeroes : 0) |
      (trim ? EXPORT_FLAG.trim : 0) |
      (this.#structured ? EXPORT_FLAG.df : 0)
    )
  }

  #requested(request: NbdRequest): void {
    if (this.#over) return
    if (request.command === COMMAND.disconnect) {
      this.#leave()
      return
    }
    const wrong = this.#wrong(request)
    if (wrong !== undefined) {
      this.#watch.violated(wrong)
      this.#leave()
      return
    }
    this.#waiting.push(request)
    this.#work()
  }

  /** Why a request violates the negotiated limits, if it does. */
  #wrong({ command, flags, length, offset }: NbdRequest): string | undefined {
    const { fua, maximum, trim, writeZeroes } = this.#traits
    if (length > maximum) return `a request of ${length} bytes, of ${maximum} at most`
    if (length % 512 !== 0 || offset % 512 !== 0) return `bytes ${offset} to ${offset + length}`
    if ((flags & COMMAND_FLAG.fua) !== 0 && !fua) return 'FUA, which this server does not know'
    if (command === COMMAND.trim && !trim) return 'a trim'
    if (command === COMMAND.writeZeroes && !writeZeroes) return 'zeroes to be written'
    if (command === COMMAND.blockStatus && !this.#allocation) return 'the status of blocks'
    return undefined
  }

  #work(): void {
    const { parallel } = this.#traits
    while (this.#doing.size < parallel) {
      const request = this.#waiting.shift()
      if (request === undefined) break
      this.#doing.add(request)
      this.#do(request)
    }
    if (!this.#over) this.#socket.pause(this.#waiting.length > 0)
  }

  #do(request: NbdRequest): void {
    const errno = this.#watch.arrived(request)
    // A flush covers what was answered before it came.
    const covered = this.#answered
    const done = (served: Served): void => {
      this.#doing.delete(request)
      if (this.#over) return
      if (request.command === COMMAND.flush) {
        this.#flushed = Math.max(this.#flushed, covered)
        this.#leftBehind = this.#answered > this.#flushed
      } else if (request.command !== COMMAND.read) {
        this.#answered++
      }
      this.#reply(request, served)
      this.#work()
    }
    if (errno !== 0) done({ errno, data: new Uint8Array(0) })
    else if (request.command === COMMAND.blockStatus) this.#status(request)
    else this.#server.serve(request, this.#asker, done)
  }

  #status(request: NbdRequest): void {
    this.#doing.delete(request)
    const body = pack([4, META_CONTEXT], [4, request.length], [4, 0])
    this.#chunk(request, CHUNK.blockStatus, true, body)
  }

  #reply(request: NbdRequest, { errno, data }: Served): void {
    const reads = request.command === COMMAND.read
    if (!this.#structured || !reads) {
      const body = reads && errno === 0 ? data : new Uint8Array(0)
      this.#send([4, MAGIC.simpleReply], [4, errno], request.cookie, body)
      return
    }
    if (errno === 0) this.#data(request, data)
    else this.#chunk(request, CHUNK.error, true, pack([4, errno], [2, 0]))
  }

  /** Sends data that was read, in pieces in any order. */
  #data(request: NbdRequest, data: Uint8Array): void {
    const whole = (request.flags & COMMAND_FLAG.df) !== 0 || this.#random.chance(0.7)
    const cut = whole ? 0 : 512 * this.#random.below(data.length / 512)
    const runs = [
      { from: 0, to: cut },
      { from: cut, to: data.length },
    ].filter(({ from, to }) => from < to)
    if (this.#random.chance(0.5)) runs.reverse()
    runs.forEach(({ from, to }, index) => {
      const bytes = data.subarray(from, to)
      const last = index === runs.length - 1
      const at: Field = [8, request.offset + from]
      if (bytes.every((byte) => byte === 0)) {
        this.#chunk(request, CHUNK.offsetHole, last, pack(at, [4, bytes.length]))
      } else {
        this.#chunk(request, CHUNK.offsetData, last, pack(at, bytes))
      }
    })
  }

  #chunk({ cookie }: NbdRequest, type: number, last: boolean, body: Uint8Array): void {
    const flags = last ? CHUNK_DONE : 0
    this.#send([4, MAGIC.structuredReply], [2, flags], [2, type], cookie, [4, body.length], body)
  }
}
