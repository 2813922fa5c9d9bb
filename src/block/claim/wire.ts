import { connect } from 'node:net'
import { systemCode } from '../native/errors.ts'
import type { NativeSockets, Peer } from '../native/sockets.ts'
import { LineReader, MAX_LINE_BYTES } from './protocol.ts'

/** How often a socket that Node does not know of is looked at. */
const POLL_MS = 5

/** A connection to who listens at a name. */
export interface Wire {
  /** Who listens there, as the kernel says; undefined where it does not. */
  readonly peer: Peer | undefined
  /** The next line; undefined when there will be none, or not in time; `too long` for one that no holder sends. */
  line(): Promise<string | undefined | 'too long'>
  send(line: string): void
  close(): void
}

/** Connects. `absent`: nobody listens there. `busy`: somebody does, and takes no more connections. */
export type Dialled = Wire | 'absent' | 'busy'

/** Connects by the system calls: to a name however it is spelt, and with the kernel's word on who listens there. */
export function dialByCalls(native: NativeSockets, name: string, limitMs: number): Dialled {
  const fd = native.connectAbstract(Buffer.from(name, 'latin1'))
  if (typeof fd === 'string') return fd
  const peer = native.peerOf(fd)
  const lines = new LineReader()
  const end = performance.now() + limitMs
  const buffer = Buffer.alloc(MAX_LINE_BYTES)
  let ended = false
  return {
    peer,
    async line() {
      for (;;) {
        const line = lines.take()
        if (line !== undefined) return line
        if (lines.tooLong) return 'too long'
        if (ended || performance.now() >= end) return undefined
        const received = native.receive(fd, buffer)
        if (received === 'nothing yet') await new Promise((resolve) => setTimeout(resolve, POLL_MS))
        else if (received === 0) ended = true
        else lines.add(buffer.subarray(0, received))
      }
    },
    send: (line) => native.send(fd, Buffer.from(line)),
    close: () => native.close(fd),
  }
}

/** Connects by what every runtime has. */
export function dial(path: string, limitMs: number): Promise<Dialled> {
  return new Promise((resolve) => {
    const lines = new LineReader()
    let ended = false
    let wake = (): void => undefined
    const socket = connect({ path })
    const timer = setTimeout(() => socket.destroy(), limitMs)
    socket.on('error', (error) => {
      const absent = ['ECONNREFUSED', 'ENOENT'].includes(systemCode(error) ?? '')
      resolve(absent ? 'absent' : 'busy')
    })
    socket.on('close', () => {
      clearTimeout(timer)
      ended = true
      wake()
      resolve('busy')
    })
    socket.on('data', (chunk: Buffer) => {
      lines.add(chunk)
      if (lines.tooLong) socket.destroy()
      wake()
    })
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
      }),
    )
  })
}
