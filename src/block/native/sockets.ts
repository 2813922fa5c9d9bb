import { constants } from 'node:os'

/**
 * Unix sockets by system calls. Node does not identify the peer, and has its own spelling of abstract names, as other
 * runtimes do.
 */
export interface NativeSockets {
  /** Connects to an abstract socket, whose name begins with a zero byte. `busy`: it accepts no more connections. */
  connectAbstract(name: Uint8Array): number | 'absent' | 'busy'
  /** The listener's process and its user when it began to listen. Undefined if the kernel does not report it. */
  peerOf(fd: number): Peer | undefined
  /** Sends as much as there is room for; a peer that is gone is noticed when receiving. */
  send(fd: number, bytes: Uint8Array): void
  /** The number of bytes that were received; 0 at the end. */
  receive(fd: number, into: Uint8Array): number | 'nothing yet'
  close(fd: number): void
}

/** A process at the other end of a socket, according to the kernel. */
export interface Peer {
  readonly pid: number
  readonly uid: number
  /** Undefined if the kernel does not report them. */
  readonly groups: readonly number[] | undefined
}

const AF_UNIX = 1
/** With SOCK_NONBLOCK and SOCK_CLOEXEC. */
const SOCK_STREAM = 1 | 0x800 | 0x80000
/** MSG_DONTWAIT and MSG_NOSIGNAL. */
const FLAGS = 0x40 | 0x4000
const SOL_SOCKET = 1
const SO_PEERCRED = process.arch === 'ppc64' ? 21 : 17
const SO_PEERGROUPS = 59
/** A pid, a uid and a gid. */
const CREDENTIALS_BYTES = 12
/** More groups than any user is in. */
const GROUPS_BYTES = 65_536

/** The calls, for Linux. */
export function bindSockets(koffi: typeof import('koffi')): NativeSockets {
  const c = koffi.load(null)
  const socket = c.func('int socket(int domain, int type, int protocol)')
  const connect = c.func('int connect(int fd, const void *address, uint32_t length)')
  const getsockopt = c.func(
    'int getsockopt(int fd, int level, int name, void *value, void *length)',
  )
  const send = c.func('long send(int fd, const void *bytes, size_t length, int flags)')
  const recv = c.func('long recv(int fd, void *bytes, size_t length, int flags)')
  // Deno closes no descriptor that it has not opened.
  const close = c.func('int close(int fd)')
  const { EAGAIN } = constants.errno

  /** An option's value: 32-bit numbers. */
  function option(fd: number, name: number, bytes: number): readonly number[] | undefined {
    const value = new Uint32Array(bytes / Uint32Array.BYTES_PER_ELEMENT)
    const length = Uint32Array.of(bytes)
    if (getsockopt(fd, SOL_SOCKET, name, value, length) !== 0) return undefined
    return [...value.subarray(0, (length[0] ?? 0) / Uint32Array.BYTES_PER_ELEMENT)]
  }

  return {
    connectAbstract(name) {
      const fd = socket(AF_UNIX, SOCK_STREAM, 0)
      // Without a descriptor the listener cannot be identified, as if it accepted no more connections.
      if (fd === -1) return 'busy'
      const family = new Uint8Array(Uint16Array.of(AF_UNIX).buffer)
      const address = Buffer.concat([family, name])
      if (connect(fd, address, address.length) === 0) return fd
      const outcome = koffi.errno() === constants.errno.ECONNREFUSED ? 'absent' : 'busy'
      close(fd)
      return outcome
    },
    peerOf(fd) {
      const [pid, uid, gid] = option(fd, SO_PEERCRED, CREDENTIALS_BYTES) ?? []
      if (pid === undefined || uid === undefined || gid === undefined) return undefined
      const others = option(fd, SO_PEERGROUPS, GROUPS_BYTES)
      return { pid, uid, groups: others && [gid, ...others] }
    },
    send(fd, bytes) {
      send(fd, bytes, bytes.length, FLAGS)
    },
    receive(fd, into) {
      const received = Number(recv(fd, into, into.length, FLAGS))
      if (received >= 0) return received
      return koffi.errno() === EAGAIN ? 'nothing yet' : 0
    },
    close(fd) {
      close(fd)
    },
  }
}
