import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { crc32c } from '../../../src/checksum/crc32c.ts'
import { viewOf } from '../../../src/ring/format2/disk/bytes.ts'

/** Bytes of an image; what is between extents are zeroes. */
export interface Extent {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** An image of a device, which may be far larger than what it holds. */
export class SparseImage {
  readonly sectorSize: number
  readonly deviceBytes: number
  readonly #extents: Extent[] = []

  constructor(sectorSize: number, deviceBytes: number) {
    this.sectorSize = sectorSize
    this.deviceBytes = Math.floor(deviceBytes / sectorSize) * sectorSize
  }

  get extents(): readonly Extent[] {
    return this.#extents
  }

  /**
   * Bytes of the image to be read and changed; they lie within the device, on whole sectors, and in no part of an
   * extent that is there.
   */
  at(offset: number, length: number): Uint8Array {
    const held = this.#extents.find(
      (each) => each.offset <= offset && offset + length <= each.offset + each.bytes.length,
    )
    if (held !== undefined) {
      return held.bytes.subarray(offset - held.offset, offset - held.offset + length)
    }
    const bytes = new Uint8Array(length)
    this.#extents.push({ offset, bytes })
    return bytes
  }

  /** Whether bytes are on the device. */
  holds(offset: number, length: number): boolean {
    return offset >= 0 && offset + length <= this.deviceBytes
  }

  /** A device with these bytes. */
  async device(): Promise<MemoryBlockDevice> {
    const { sectorSize, deviceBytes } = this
    const device = new MemoryBlockDevice({ sectorSize, sizeSectors: deviceBytes / sectorSize })
    for (const { offset, bytes } of this.#extents) {
      await device.write(offset / sectorSize, [bytes])
    }
    return device
  }
}

/** Where format 2 (FORMAT.md) has the checksum of a metadata block. */
const METADATA_CRC_AT = 8

/** Makes the checksum of a metadata block hold. */
export function seal(block: Uint8Array): void {
  const view = viewOf(block)
  view.setUint32(METADATA_CRC_AT, 0, true)
  view.setUint32(METADATA_CRC_AT, crc32c(block), true)
}
