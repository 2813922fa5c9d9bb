import { setImmediate as nextTurn } from 'node:timers/promises'
import { systemCode } from '../../native/errors.ts'
import type { Permit } from '../../permit.ts'
import type { VectoredCall } from '../engine/engine.ts'

/** The kernel's bound on buffers in one call (`IOV_MAX`). */
export const MAX_CALL_BUFFERS = 1024

/** Bytes in one call; the kernel's own bound is just below 2 GiB. */
export const MAX_CALL_BYTES: number = 1 << 30

/** Interruptions in a row after which they are reported: a call that never succeeds must not spin. */
const MAX_INTERRUPTIONS = 16

/** Bytes in all of the buffers. */
export function lengthOf(buffers: readonly Uint8Array[]): number {
  let bytes = 0
  for (const buffer of buffers) bytes += buffer.byteLength
  return bytes
}

/** True if one call takes all of the buffers. */
export function isOneCall(buffers: readonly Uint8Array[], bytes: number): boolean {
  return buffers.length <= MAX_CALL_BUFFERS && bytes <= MAX_CALL_BYTES
}

/**
 * Transfers buffers, each a whole number of sectors, in as many calls as needed. Returns the bytes transferred: fewer
 * than requested means that the file ends there. The permit is checked before each call.
 *
 * A short transfer resumes at the last whole sector, as direct I/O requires. So in a file that ends within a sector
 * it makes no progress, which is detected.
 */
export async function transfer(
  call: VectoredCall,
  fd: number,
  buffers: readonly Uint8Array[],
  position: number,
  sectorSize: number,
  permit: Permit,
): Promise<number> {
  const rest = buffers.filter((buffer) => buffer.byteLength > 0)
  let index = 0
  let done = 0
  let interruptions = 0
  while (index < rest.length) {
    let moved: number
    try {
      moved = await call(fd, takeBatch(rest, index), position + done, permit)
    } catch (error) {
      const code = systemCode(error)
      // With either code, nothing was transferred yet.
      if (code !== 'EINTR' && code !== 'EAGAIN') throw error
      if (++interruptions > MAX_INTERRUPTIONS) throw error
      await nextTurn()
      continue
    }
    interruptions = 0
    moved -= moved % sectorSize
    if (moved === 0) return done
    done += moved
    index = skip(rest, index, moved)
  }
  return done
}

/** The buffers of the next call. */
function takeBatch(buffers: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (index === 0 && isOneCall(buffers, lengthOf(buffers))) return buffers
  const batch: Uint8Array[] = []
  let room = MAX_CALL_BYTES
  for (const buffer of buffers.slice(index, index + MAX_CALL_BUFFERS)) {
    batch.push(buffer.byteLength <= room ? buffer : buffer.subarray(0, room))
    room -= buffer.byteLength
    if (room <= 0) break
  }
  return batch
}

/** Drops `bytes` from the front of the buffers at `index`; returns the index of the first remaining buffer. */
function skip(buffers: Uint8Array[], index: number, bytes: number): number {
  let at = index
  let left = bytes
  for (let buffer = buffers[at]; buffer !== undefined; buffer = buffers[++at]) {
    if (left < buffer.byteLength) {
      if (left > 0) buffers[at] = buffer.subarray(left)
      break
    }
    left -= buffer.byteLength
  }
  return at
}
