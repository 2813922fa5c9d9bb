import type { BlockDevice } from '../../block/device.ts'

const MIB = 1 << 20
/** Not written, so that a device still looks blank at its start after an interrupted measurement. */
const SPARED_BYTES = MIB

/** A part of a device, in sectors. */
export interface Part {
  readonly sectorStart: number
  readonly sectors: number
}

/** The part of a blank device to measure: at most this many bytes after the first MiB; perhaps none. */
export function scratchOf(sectorSize: number, sizeSectors: number, maxBytes: number): Part {
  const sectorStart = SPARED_BYTES / sectorSize
  const left = Math.max(0, sizeSectors - sectorStart)
  return { sectorStart, sectors: Math.min(maxBytes / sectorSize, left) }
}

/** True if all of a part is zeroes. */
export async function isZero(
  device: BlockDevice,
  { sectorStart, sectors }: Part,
): Promise<boolean> {
  const { sectorSize } = await device.getInfo()
  const step = MIB / sectorSize
  const zeroes = new Uint8Array(MIB)
  const buffer = device.allocate(MIB)
  for (let done = 0; done < sectors; done += step) {
    const bytes = Math.min(step, sectors - done) * sectorSize
    const part = buffer.subarray(0, bytes)
    await device.read(sectorStart + done, [part])
    if (Buffer.compare(part, zeroes.subarray(0, bytes)) !== 0) return false
  }
  return true
}
