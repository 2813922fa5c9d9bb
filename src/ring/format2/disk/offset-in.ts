import type { Disk } from './disk.ts'

/** The device offset of a batch's byte. A batch may wrap around the end of the data area. */
export function offsetIn(disk: Disk, lsn: number, at: number): number {
  const { blockSize } = disk.layout
  return disk.offsetOf(lsn + Math.floor(at / blockSize)) + (at % blockSize)
}
