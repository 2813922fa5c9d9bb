import { fdatasync, readv, writev } from 'node:fs'
import { promisify } from 'node:util'
import type { Engine } from './engine.ts'

const readvCall = promisify(readv)
const writevCall = promisify(writev)

/**
 * Calls in the threads that Node keeps for files (four, unless `UV_THREADPOOL_SIZE` says otherwise): nothing
 * else waits for the disk. Waking a thread, and being woken by it, makes a small write take about a third
 * longer; a worker of our own, woken with Atomics, was measured to be no better.
 */
export const poolEngine: Engine = {
  read: async (fd, buffers, position) => (await readvCall(fd, buffers, position)).bytesRead,
  write: async (fd, buffers, position) => (await writevCall(fd, buffers, position)).bytesWritten,
  flush: promisify(fdatasync),
}
