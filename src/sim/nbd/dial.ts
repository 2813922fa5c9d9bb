import type { NbdDial, NbdStream, NbdStreamReceiver } from '../../block/nbd/transport/stream.ts'
import type { NbdAddress } from '../../block/nbd/uri.ts'
import type { Caller, Network, Socket } from '../net/network.ts'

/** Sees what a client sends over one connection, as it leaves. */
export type Tap = (pieces: readonly Uint8Array[]) => void

/** Connects a process over a simulated network instead of the system's, with a tap on each connection. */
export function dialOver<C extends Caller>(
  network: Network<C>,
  caller: C,
  tap: () => Tap,
): NbdDial {
  return async (address, receiver, { signal }) => {
    const socket = await network.connect(hostOf(address), caller, signal)
    return streamOf(socket, receiver, tap())
  }
}

function hostOf({ server }: NbdAddress): string {
  return 'path' in server ? server.path : `${server.host}:${server.port}`
}

function streamOf(socket: Socket, receiver: NbdStreamReceiver, tap: Tap): NbdStream {
  socket.onData = (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      const space = receiver.space()
      const part = bytes.subarray(at, at + space.length)
      space.set(part)
      at += part.length
      receiver.filled(part.length)
    }
  }
  socket.onTaken = (bytes) => receiver.taken(bytes)
  socket.onEnd = (error) => receiver.ended(error)
  return {
    send: (pieces) => {
      tap(pieces)
      socket.write(pieces)
    },
    keepAlive: () => undefined,
    startTls: () => Promise.reject(new Error('nothing is encrypted here')),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  }
}
