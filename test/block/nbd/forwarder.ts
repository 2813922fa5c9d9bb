import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect } from 'vitest'

/** A TCP port that hands on to a unix socket, as a network between client and server would. */
export interface Forwarder extends AsyncDisposable {
  readonly port: number
  /** What each client has sent so far, in the order in which they connected. */
  sent(): Buffer[]
}

/** Listens at a free port of 127.0.0.1. */
export async function startForwarder(path: string): Promise<Forwarder> {
  const conversations: Buffer[][] = []
  const sockets = new Set<Socket>()
  const forwarder = createServer((client) => {
    const chunks: Buffer[] = []
    conversations.push(chunks)
    client.on('data', (chunk: Buffer) => chunks.push(chunk))
    const server = connect({ path })
    client.pipe(server).pipe(client)
    client.on('error', () => server.destroy())
    server.on('error', () => client.destroy())
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
  })
  forwarder.listen(0, '127.0.0.1')
  await once(forwarder, 'listening')
  const address = forwarder.address()
  if (address === null || typeof address === 'string') throw new Error('it has no port')
  return {
    port: address.port,
    sent: () => conversations.map((chunks) => Buffer.concat(chunks)),
    [Symbol.asyncDispose]: async () => {
      const closed = once(forwarder, 'close')
      forwarder.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** The client's flags and STARTTLS. */
const WISH = `00000003${'49484156454f5054'}${'0000000500000000'}`

/** ABORT. */
const FAREWELL = '49484156454f50540000000200000000'

/** Checks that a client sent its wish for TLS and its farewell, or not even all of that. */
export function expectOnlyTheWish(sent: Buffer): void {
  expect(sent.toString('hex')).toBe((WISH + FAREWELL).slice(0, 2 * sent.length))
}

/** Checks that a client sent its wish for TLS, and then nothing but records of TLS, of so much data at least. */
export function expectEncrypted(sent: Buffer, least = 1): void {
  const start = WISH.length / 2
  expect(sent.toString('hex', 0, start)).toBe(WISH)
  let data = 0
  for (let at = start; at + 5 <= sent.length; at += 5 + sent.readUInt16BE(at + 3)) {
    // A change of ciphers, an alert, a handshake, or data; the version of the record is 3.1 or 3.3.
    expect([20, 21, 22, 23]).toContain(sent[at])
    expect(sent[at + 1]).toBe(3)
    if (sent[at] === 23) data += sent.readUInt16BE(at + 3)
  }
  expect(data).toBeGreaterThanOrEqual(least)
}
