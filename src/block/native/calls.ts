import { constants as osConstants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import type { LibraryHandle } from 'koffi'
import { bindSockets, type NativeSockets } from './sockets.ts'

/** Calls that Node does not have. */
export interface Native extends NativeSockets {
  /** The first byte of data at or after `offset`; undefined if there is none. */
  seekData(fd: number, offset: number): number | undefined
  /** The first byte of a hole at or after `offset`; undefined beyond the end. The end counts as a hole. */
  seekHole(fd: number, offset: number): number | undefined
  /** Gives the space of a range back; the file keeps its size. */
  punchHole(fd: number, offset: number, length: number): void
  /**
   * Takes a write lock on one byte until the descriptor is closed. Other opens of the file cannot take it, in any
   * container. `unsupported` if the file system has no locks.
   */
  lockByte(fd: number, offset: bigint): 'locked' | 'held' | 'unsupported'
  /** The lock of another open of the file on a byte. */
  lockOf(fd: number, offset: bigint): 'none' | 'read' | 'write'
  /**
   * Fills a buffer from the page cache: `waits` if not all of it is there. `unsupported` if the file system cannot
   * determine it, as those of servers.
   */
  readCached(fd: number, buffer: Uint8Array, offset: number): 'read' | 'waits' | 'unsupported'
  /** True if the file has an access control list. */
  hasAcl(fd: number): boolean
}

const SEEK_DATA = 3
const SEEK_HOLE = 4
const FALLOC_FL_PUNCH_HOLE_KEEP_SIZE = 3
const RWF_NOWAIT = 8
const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
const F_RDLCK = 0
const F_WRLCK = 1

/** Where `long` and `off_t` have 64 bits and the constants above are the generic ones. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64', 'ppc64', 's390x']

let loaded: Promise<Native | undefined> | undefined

/** The calls, or undefined without the optional package `koffi`, or not on 64-bit Linux. */
export function loadNative(): Promise<Native | undefined> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<Native | undefined> {
  if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) return undefined
  try {
    return bind(await import('koffi'))
  } catch {
    return undefined
  }
}

function bind(koffi: typeof import('koffi')): Native {
  const c = koffi.load(null)
  const lseek = c.func('long lseek(int fd, long offset, int whence)')
  const fallocate = c.func('int fallocate(int fd, int mode, long offset, long length)')
  const fcntl = c.func('int fcntl(int fd, int command, ...)')
  const fgetxattr = c.func('long fgetxattr(int fd, const char *name, void *value, size_t size)')
  // Without a name, so that no other user of koffi in this process has it already.
  const flock = koffi.pointer(
    koffi.struct({
      l_type: 'short',
      l_whence: 'short',
      l_start: 'long',
      l_len: 'long',
      l_pid: 'int',
    }),
  )
  const { ENXIO, EAGAIN, EACCES, EINTR } = osConstants.errno

  function seek(fd: number, offset: number, whence: number): number | undefined {
    // This moves the descriptor's own position, which nothing uses: all I/O is positioned.
    const found = Number(lseek(fd, offset, whence))
    if (found >= 0) return found
    if (koffi.errno() === ENXIO) return undefined
    throw systemError('lseek', koffi.errno())
  }

  return {
    seekData: (fd, offset) => seek(fd, offset, SEEK_DATA),
    seekHole: (fd, offset) => seek(fd, offset, SEEK_HOLE),
    punchHole(fd, offset, length) {
      while (fallocate(fd, FALLOC_FL_PUNCH_HOLE_KEEP_SIZE, offset, length) !== 0) {
        if (koffi.errno() !== EINTR) throw systemError('fallocate', koffi.errno())
      }
    },
    lockByte(fd, offset) {
      const lock = { l_type: F_WRLCK, l_whence: 0, l_start: offset, l_len: 1, l_pid: 0 }
      if (fcntl(fd, F_OFD_SETLK, flock, lock) !== -1) return 'locked'
      return koffi.errno() === EAGAIN || koffi.errno() === EACCES ? 'held' : 'unsupported'
    },
    lockOf(fd, offset) {
      const lock = { l_type: F_WRLCK, l_whence: 0, l_start: offset, l_len: 1, l_pid: 0 }
      if (fcntl(fd, F_OFD_GETLK, koffi.inout(flock), lock) === -1) return 'none'
      if (lock.l_type === F_WRLCK) return 'write'
      return lock.l_type === F_RDLCK ? 'read' : 'none'
    },
    readCached: bindReadCached(koffi, c),
    hasAcl: (fd) => Number(fgetxattr(fd, 'system.posix_acl_access', null, 0)) > 0,
    ...bindSockets(koffi),
  }
}

function bindReadCached(koffi: typeof import('koffi'), c: LibraryHandle): Native['readCached'] {
  const { EAGAIN, EINTR } = osConstants.errno
  const iovec = koffi.pointer(koffi.struct({ iov_base: 'void *', iov_len: 'size_t' }))
  let preadv2: ReturnType<LibraryHandle['func']>
  try {
    preadv2 = c.func('preadv2', 'long', ['int', iovec, 'int', 'long', 'int'])
  } catch {
    // Not every C library has it.
    return () => 'unsupported'
  }
  return (fd, buffer, offset) => {
    const parts = { iov_base: buffer, iov_len: buffer.byteLength }
    const read = Number(preadv2(fd, parts, 1, offset, RWF_NOWAIT))
    if (read === buffer.byteLength) return 'read'
    const isTold = read >= 0 || koffi.errno() === EAGAIN || koffi.errno() === EINTR
    return isTold ? 'waits' : 'unsupported'
  }
}

/** An error in the form that Node uses. */
function systemError(syscall: string, errno: number): Error {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${code}: ${syscall}`), { code, errno: -errno, syscall })
}
