import { createServer, type Server, type Socket } from 'node:net'
import type { ClaimOptions } from '../device.ts'
import { hostName } from '../native/runtime.ts'
import { ASK_TIMEOUT_MS } from '../validate.ts'
import { type ClaimHints, HINTS_ANSWER, HINTS_REQUEST } from './hints.ts'
import { newNonce } from './proof.ts'
import {
  challengeLine,
  type Greeting,
  isProven,
  LineReader,
  MAX_ANSWER_BYTES,
  parseQuestion,
  replyLine,
  shown,
} from './protocol.ts'
import { RateLimit } from './rate-limit.ts'
import { readTimeout } from './read-timeout.ts'

/** Connections at a time; more are turned away. */
const MAX_CONNECTIONS = 8
/** The rate of connections that are served: it bounds the cost of strangers. */
const CONNECTIONS = { burst: 64, perSecond: 64 } as const
/** The rate of requests that are handed on: each may cost a durable write. */
const REQUESTS = { burst: 32, perSecond: 16 } as const

/** Options of a {@link ClaimServer}. */
interface ClaimServerOptions {
  /** Takes connections for hints. */
  readonly hints?: ClaimHints | undefined
  /** Monotonic milliseconds. */
  readonly now?: (() => number) | undefined
}

/** The holder's last line, and whether the connection is kept for hints. */
interface ReplyLine {
  readonly line: string
  readonly stays: boolean
}

/** The side of a role's holder that other processes talk to. */
export class ClaimServer {
  readonly #name: string
  readonly #options: ClaimOptions
  readonly #greeting: Greeting
  readonly #hints: ClaimHints | undefined
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #connections: RateLimit
  readonly #requests: RateLimit

  /**
   * @param name identifies device and role, the same for every process
   */
  constructor(name: string, options: ClaimOptions, { hints, now }: ClaimServerOptions = {}) {
    this.#hints = hints
    this.#name = name
    this.#connections = new RateLimit(CONNECTIONS, now)
    this.#requests = new RateLimit(REQUESTS, now)
    this.#options = options
    this.#greeting = {
      holder: shown(options.holder),
      pid: process.pid,
      host: shown(hostName()),
      since: new Date().toISOString(),
    }
  }

  /**
   * Also listens at another address, without keeping the process alive.
   * @throws {Error} the system error; `EADDRINUSE` if another process listens there
   */
  async listen(path: string): Promise<void> {
    const server = createServer((socket) => this.#accept(socket))
    server.maxConnections = MAX_CONNECTIONS
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject)
      // Exclusive, because workers of node:cluster would otherwise share one socket, and all hold the role. The
      // listener for errors stays: after this, an error only means that one caller was not accepted.
      server.listen({ path, exclusive: true }, resolve)
    })
    server.unref()
    this.#servers.push(server)
  }

  /** Resolves when the addresses are free again. */
  async close(): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    )
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(closed)
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined)
    if (!this.#connections.take()) {
      socket.destroy()
      return
    }
    const timer = readTimeout(ASK_TIMEOUT_MS, () => socket.destroy()).unref()
    socket.unref()
    this.#sockets.add(socket)
    socket.on('close', () => {
      clearInterval(timer)
      this.#sockets.delete(socket)
    })
    this.#challenge(socket, () => clearInterval(timer))
  }

  /**
   * Challenges, and takes one line.
   * @param keep called if the connection stays
   */
  #challenge(socket: Socket, keep: () => void): void {
    const challenge = newNonce()
    const lines = new LineReader()
    let asked = false
    const receive = (chunk: Buffer): void => {
      lines.add(chunk)
      const line = lines.take()
      if (lines.tooLong || (line !== undefined && asked) || lines.take() !== undefined) {
        socket.destroy()
        return
      }
      if (line === undefined) return
      asked = true
      this.#reply(challenge, line).then(
        (reply) => {
          if (reply === undefined) socket.destroy()
          else if (!reply.stays || this.#hints === undefined) socket.end(reply.line)
          else {
            socket.off('data', receive)
            keep()
            socket.write(reply.line)
            this.#hints.accept(socket)
          }
        },
        () => socket.destroy(),
      )
    }
    socket.on('data', receive)
    socket.write(challengeLine(challenge))
  }

  /** The reply to an asker's line; undefined if the line is invalid or unproven. */
  async #reply(challenge: string, line: string): Promise<ReplyLine | undefined> {
    const binding = { name: this.#name, challenge }
    const question = parseQuestion(line)
    if (question === undefined) return undefined
    const key = await this.#options.key?.()
    if (!isProven(key, binding, question)) return undefined
    const stays = this.#hints !== undefined && question.request === HINTS_REQUEST
    const answer = stays ? HINTS_ANSWER : await this.#answer(question.request)
    const reply = { greeting: this.#greeting, answer }
    return { line: replyLine(key, binding, question, reply), stays }
  }

  /** A failure looks like a missing answer to the asker. */
  async #answer(request: string | undefined): Promise<string | undefined> {
    const { onRequest } = this.#options
    if (request === undefined || onRequest === undefined) return undefined
    if (!this.#requests.take()) return undefined
    try {
      const answer = await onRequest(request)
      return Buffer.byteLength(JSON.stringify(answer)) > MAX_ANSWER_BYTES ? undefined : answer
    } catch {
      return undefined
    }
  }
}
