import { ALWAYS } from '../../permit.ts'
import { poolEngine } from '../engine/pool.ts'
import { allocateAligned } from './aligned.ts'
import { transfer } from './transfer.ts'

const STEP_BYTES = 1 << 20

/** Progress and cancellation of a long run of writes. */
export interface FillOptions {
  /** Called after each piece. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Stops between two pieces. */
  readonly signal?: AbortSignal
}

/**
 * Writes zeroes from `start` to `end`, in full: a hole, or space that was only reserved, would cost a commit
 * of the file system with every durable write into it, and could meet a full disk.
 * @throws {Error} the system error, or the signal's reason
 */
export async function fillWithZeroes(
  fd: number,
  start: number,
  end: number,
  sectorSize: number,
  { onProgress, signal }: FillOptions = {},
): Promise<void> {
  const zeroes = allocateAligned(Math.min(STEP_BYTES, end - start))
  for (let at = start; at < end; ) {
    signal?.throwIfAborted()
    const piece = zeroes.subarray(0, Math.min(STEP_BYTES, end - at))
    const written = await transfer(poolEngine.write, fd, [piece], at, sectorSize, ALWAYS)
    if (written < piece.length) throw stuck()
    at += written
    onProgress?.(at - start, end - start)
  }
}

/** The error for a system that writes nothing and reports no error. */
function stuck(): Error {
  return Object.assign(new Error('EIO: short write'), { code: 'EIO', syscall: 'write' })
}
