import type { Area } from './byte-range.ts'

/** A run of bytes of a device. */
export interface Chunk {
  readonly offset: number
  readonly bytes: number
}

/** A run of bytes that may hold data, or that is a hole. */
export interface Extent extends Chunk {
  readonly mapped: boolean
}

/**
 * The device's extents in order, without gaps, in whole units: a unit with any data is mapped. A device that cannot
 * seek is one mapped extent.
 */
export async function* extentsOf(area: Area, unitBytes: number): AsyncGenerator<Extent> {
  const { device, info, sizeBytes } = area
  if (sizeBytes === 0) return
  if (!device.capabilities.seek) {
    yield { offset: 0, bytes: sizeBytes, mapped: true }
    return
  }
  const { sectorSize } = info
  for (let at = 0; at < sizeBytes; ) {
    const data = (await device.seekMapped(at / sectorSize)) * sectorSize
    const start = Math.min(Math.floor(data / unitBytes) * unitBytes, sizeBytes)
    if (start > at) yield { offset: at, bytes: start - at, mapped: false }
    if (start === sizeBytes) return
    const hole = (await device.seekUnmapped(data / sectorSize)) * sectorSize
    // At least the unit that was found, which may have become a hole since.
    const wanted = Math.max(Math.ceil(hole / unitBytes) * unitBytes, start + unitBytes)
    const end = Math.min(wanted, sizeBytes)
    yield { offset: start, bytes: end - start, mapped: true }
    at = end
  }
}

/** Cuts a run of bytes into chunks. */
export function* chunksOf(run: Chunk, chunkBytes: number): Generator<Chunk> {
  const end = run.offset + run.bytes
  for (let offset = run.offset; offset < end; offset += chunkBytes) {
    yield { offset, bytes: Math.min(chunkBytes, end - offset) }
  }
}
