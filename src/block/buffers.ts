import type { BlockDevice } from './device.ts'

/** A run of memory as the list of buffers that the device takes. */
export function buffersFor(
  device: BlockDevice,
  sectorSize: number,
  bytes: Uint8Array,
): Uint8Array[] {
  return device.capabilities.singleSectorBuffers ? sectorBuffers(sectorSize, bytes) : [bytes]
}

/** A run of memory as buffers of one sector each. */
export function sectorBuffers(sectorSize: number, bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / sectorSize }, (_, index) =>
    bytes.subarray(index * sectorSize, (index + 1) * sectorSize),
  )
}
