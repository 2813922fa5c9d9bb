import { fdatasync } from 'node:fs'
import { promisify } from 'node:util'
import { readCall, writeCall } from './calls.ts'
import type { Engine } from './engine.ts'

const flush = promisify(fdatasync)

/**
 * Calls in Node's file threads (four, unless `UV_THREADPOOL_SIZE` changes it): the event loop does not wait for the
 * disk. Waking a thread, and being woken by it, makes a small write take about a third longer; a dedicated worker,
 * woken with Atomics, was measured to be no better.
 */
export const poolEngine: Engine = {
  // Not promisified: the promisified call resolves with an object, and unwrapping it takes another promise.
  read: (fd, buffers, position, permit) =>
    new Promise((resolve, reject) => {
      permit()
      readCall(fd, buffers, position, nodeCallback(resolve, reject))
    }),
  write: (fd, buffers, position, permit) =>
    new Promise((resolve, reject) => {
      permit()
      writeCall(fd, buffers, position, nodeCallback(resolve, reject))
    }),
  flush: (fd, permit) => {
    permit()
    return flush(fd)
  },
}

function nodeCallback(
  resolve: (bytes: number) => void,
  reject: (error: Error) => void,
): (error: Error | null, bytes: number) => void {
  return (error, bytes) => {
    if (error === null) resolve(bytes)
    else reject(error)
  }
}
