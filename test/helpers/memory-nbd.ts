import { type Duplex, duplexPair } from 'node:stream'
import type { NbdDial, NbdStream } from '../../src/block/nbd/transport/stream.ts'
import { Peer } from './fake-nbd.ts'

/** A server without a network, that a test scripts: with a fake clock, time is the test's. */
export interface MemoryNbd {
  readonly dial: NbdDial
  /** Connections so far. */
  readonly connections: number
}

/** Serves each connection by the script, which may end when the client leaves. */
export function memoryNbd(
  script: (peer: Peer, connection: number) => Promise<void>,
  options: { readonly onTaken?: (bytes: number) => void } = {},
): MemoryNbd {
  let connections = 0
  const dial: NbdDial = async (_, receiver, { signal }) => {
    signal.throwIfAborted()
    connections++
    const [ours, theirs] = duplexPair()
    script(new Peer(theirs), connections).catch(() => theirs.destroy())
    ours.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        const space = receiver.space()
        const piece = chunk.subarray(at, at + space.length)
        space.set(piece)
        at += piece.length
        receiver.filled(piece.length)
      }
    })
    ours.on('error', (error) => receiver.ended(error))
    ours.on('close', () => receiver.ended())
    theirs.on('close', () => ours.destroy())
    ours.on('close', () => theirs.destroy())
    return streamOver(ours, (bytes) => {
      options.onTaken?.(bytes)
      receiver.taken(bytes)
    })
  }
  return {
    dial,
    get connections() {
      return connections
    },
  }
}

function streamOver(duplex: Duplex, onTaken: (bytes: number) => void): NbdStream {
  return {
    send: (pieces) => {
      const bytes = Buffer.concat(pieces)
      duplex.write(bytes, (error) => {
        if (error === null || error === undefined) onTaken(bytes.length)
      })
    },
    keepAlive: () => undefined,
    startTls: () => Promise.reject(new Error('there is no TLS in memory')),
    end: () => void duplex.end(),
    destroy: () => void duplex.destroy(),
  }
}
