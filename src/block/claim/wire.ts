import { connect, type Socket } from 'node:net'
import { systemCode } from '../native/errors.ts'
import type { NativeSockets, Peer } from '../native/sockets.ts'
import { LineReader, MAX_LINE_BYTES } from './protocol.ts'
import { readTimeout } from './read-timeout.ts'

/** Interval between polls of a socket that Node does not manage. */
const POLL_MS = 5

/** A connection to the process that listens at a name. */
export interface Wire {
  /** That process, according to the kernel; undefined if the kernel does not report it. */
  readonly peer: Peer | undefined
  /** The next line; undefined if none arrives in time; `too long` for a line that no holder sends. */
  line(): Promise<string | undefined | 'too long'>
  send(line: string): void
  close(): void
}

/** A connection by a socket of the runtime. */
export interface SocketWire extends Wire {
  /** Keeps the process from ending no longer. */
  unref(): void
  /** The socket, which has no limit of time any more, and of which no more lines are read. */
  detach(): Socket
}

/** The result of connecting. `absent`: no process listens. `busy`: one does, and accepts no more connections. */
export type Dialled<W = Wire> = W | 'absent' | 'busy'

/** Connects by system calls: to a name in any spelling, and with the kernel's information about the listener. */
export function dialByCalls(native: NativeSockets, name: string, limitMs: number): Dialled {
  const fd = native.connectAbstract(Buffer.from(name, 'latin1'))
  if (typeof fd === 'string') return fd
  const peer = native.peerOf(fd)
  const lines = new LineReader()
  const buffer = Buffer.alloc(MAX_LINE_BYTES)
  let ended = false
  const timer = readTimeout(limitMs, () => {
    ended = true
  })
  return {
    peer,
    async line() {
      for (;;) {
        const line = lines.take()
        if (line !== undefined) return line
        if (lines.tooLong) return 'too long'
        if (ended) return undefined
        const received = native.receive(fd, buffer)
        if (received === 'nothing yet') await new Promise((resolve) => setTimeout(resolve, POLL_MS))
        else if (received === 0) ended = true
        else lines.add(buffer.subarray(0, received))
      }
    },
    send: (line) => native.send(fd, Buffer.from(line)),
    close() {
      clearInterval(timer)
      native.close(fd)
    },
  }
}

/** Connects with Node's API, which every runtime has. */
export function dial(path: string, limitMs: number): Promise<Dialled<SocketWire>> {
  return new Promise((resolve) => {
    const lines = new LineReader()
    let ended = false
    let wake = (): void => undefined
    const socket = connect({ path })
    const timer = readTimeout(limitMs, () => socket.destroy())
    socket.on('error', (error) => {
      const absent = ['ECONNREFUSED', 'ENOENT'].includes(systemCode(error) ?? '')
      resolve(absent ? 'absent' : 'busy')
    })
    socket.on('close', () => {
      clearInterval(timer)
      ended = true
      wake()
      resolve('busy')
    })
    const receive = (chunk: Buffer): void => {
      lines.add(chunk)
      if (lines.tooLong) socket.destroy()
      wake()
    }
    socket.on('data', receive)
    socket.on('connect', () =>
      resolve({
        peer: undefined,
        async line() {
          for (;;) {
            const line = lines.take()
            if (line !== undefined) return line
            if (lines.tooLong) return 'too long'
            if (ended) return undefined
            await new Promise<void>((woken) => {
              wake = woken
            })
          }
        },
        send: (line) => socket.write(line),
        close: () => socket.destroy(),
        unref() {
          timer.unref()
          socket.unref()
        },
        detach() {
          clearInterval(timer)
          return socket.off('data', receive)
        },
      }),
    )
  })
}
