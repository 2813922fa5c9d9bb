import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Native } from '../../native/calls.ts'
import type { Permit } from '../../permit.ts'

/** The way to find data and holes. */
export type Seeks = Pick<Native, 'seekData' | 'seekHole'>

/** Space is freed in pieces, because the call blocks: on some disks it writes zeroes. */
const DISCARD_BYTES = 1 << 28

/** The first sector at or after `sector` that holds data, or undefined if there is none. */
export function findMapped(
  native: Seeks,
  fd: number,
  sectorSize: number,
  sector: number,
): number | undefined {
  const found = native.seekData(fd, sector * sectorSize)
  return found === undefined ? undefined : Math.floor(found / sectorSize)
}

/**
 * The first sector at or after `sector` that lies entirely in a hole, or undefined if there is none before the end. A
 * hole may be smaller than a sector: file system blocks often are.
 */
export function findUnmapped(
  native: Seeks,
  fd: number,
  sectorSize: number,
  sector: number,
): number | undefined {
  for (let from = sector * sectorSize; ; ) {
    const hole = native.seekHole(fd, from)
    if (hole === undefined) return undefined
    const candidate = Math.ceil(hole / sectorSize)
    const data = native.seekData(fd, candidate * sectorSize)
    if (data === undefined || data >= (candidate + 1) * sectorSize) return candidate
    from = data
  }
}

/** Gives the space of a range back. */
export async function punch(
  native: Native,
  fd: number,
  start: number,
  length: number,
  permit: Permit,
): Promise<void> {
  for (let at = start; at < start + length; at += DISCARD_BYTES) {
    if (at > start) await nextTurn()
    permit()
    native.punchHole(fd, at, Math.min(DISCARD_BYTES, start + length - at))
  }
}
