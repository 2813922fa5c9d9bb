import { createServer, type Server, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { ASK_TIMEOUT_MS, MAX_REQUEST_BYTES } from '../check.ts'
import type { ClaimOptions } from '../device.ts'
import { type Greeting, MAX_REPLY_BYTES, onLines, shown } from './claim-protocol.ts'

/** Connections at a time; more are turned away. */
const MAX_CONNECTIONS = 8

/** A holder that listens at its address. */
export interface ClaimServer {
  /** Resolves when the address is free again. */
  close(): Promise<void>
}

/**
 * Listens at an address, without keeping the process alive.
 * @throws {Error} the system error; `EADDRINUSE` when somebody else listens there
 */
export async function serveClaim(path: string, options: ClaimOptions): Promise<ClaimServer> {
  const sockets = new Set<Socket>()
  const greeting: Greeting = {
    holder: shown(options.holder),
    pid: process.pid,
    host: shown(hostname()),
    since: new Date().toISOString(),
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    converseWith(socket, greeting, options)
  })
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, path)
  server.unref()
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    // Exclusive, because workers of node:cluster would else share one socket, and all hold the role. The
    // listener for errors stays: after this, an error only means that one caller was not accepted.
    server.listen({ path, exclusive: true }, resolve)
  })
}

/** Greets, and answers at most one request. */
function converseWith(socket: Socket, greeting: Greeting, { onRequest }: ClaimOptions): void {
  const timer = setTimeout(() => socket.destroy(), ASK_TIMEOUT_MS).unref()
  socket.unref()
  socket.on('error', () => undefined)
  socket.on('close', () => clearTimeout(timer))
  let asked = false
  onLines(socket, MAX_REQUEST_BYTES, (request) => {
    if (asked || onRequest === undefined) {
      socket.destroy()
      return
    }
    asked = true
    answer(request, onRequest).then(
      (reply) => socket.end(reply),
      // The one who asks learns only that there is no answer.
      () => socket.destroy(),
    )
  })
  socket.write(`${JSON.stringify(greeting)}\n`)
}

async function answer(
  request: string,
  onRequest: (request: string) => Promise<string>,
): Promise<string> {
  const line = JSON.stringify({ answer: await onRequest(request) })
  if (Buffer.byteLength(line) > MAX_REPLY_BYTES) throw new RangeError('the answer is too long')
  return `${line}\n`
}
