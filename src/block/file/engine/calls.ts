import { read, readSync, readv, readvSync, write, writeSync, writev, writevSync } from 'node:fs'
import { COPIES_VECTORS } from '../../native/runtime.ts'

type Buffers = readonly Uint8Array[]

type Call = (
  fd: number,
  buffers: Buffers,
  position: number,
  callback: (error: Error | null, bytes: number) => void,
) => void

type SyncCall = (fd: number, buffers: Buffers, position: number) => number

/** The only buffer of a request, on runtimes whose vectored calls copy through memory that direct I/O cannot use. */
function single(buffers: Buffers): Uint8Array | undefined {
  return COPIES_VECTORS && buffers.length === 1 ? buffers[0] : undefined
}

/** `preadv` */
export const readCall: Call = (fd, buffers, position, callback) => {
  const one = single(buffers)
  if (one === undefined) readv(fd, buffers, position, callback)
  else read(fd, one, 0, one.byteLength, position, callback)
}

/** `pwritev` */
export const writeCall: Call = (fd, buffers, position, callback) => {
  const one = single(buffers)
  if (one === undefined) writev(fd, buffers, position, callback)
  else write(fd, one, 0, one.byteLength, position, callback)
}

/** `preadv`; the process waits for it. */
export const readCallSync: SyncCall = (fd, buffers, position) => {
  const one = single(buffers)
  if (one === undefined) return readvSync(fd, buffers, position)
  return readSync(fd, one, 0, one.byteLength, position)
}

/** `pwritev`; the process waits for it. */
export const writeCallSync: SyncCall = (fd, buffers, position) => {
  const one = single(buffers)
  if (one === undefined) return writevSync(fd, buffers, position)
  return writeSync(fd, one, 0, one.byteLength, position)
}
