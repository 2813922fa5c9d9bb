import { RingError } from '../../errors.ts'
import type { DeviceSize } from '../format.ts'
import { HEADER_BYTES, MAGIC } from './magic.ts'

/** The largest length that a record's field can hold. */
const MAX_LENGTH = 2 ** 32 - 1

export const MAGIC_SECTOR = 0
export const PRODUCER_SECTOR = 1
export const CONSUMER_SECTOR = 2
/** First sector of the data area. */
export const DATA_SECTOR = 3
/** The smallest device: three control sectors and one of data. */
export const MIN_SECTORS = 4

/**
 * Offsets from here on are refused. The format ends at 2^63, but at 1 GB/s even half of that lasts for 146 years, so a
 * larger offset is damage.
 */
export const MAX_OFFSET: bigint = 2n ** 62n

/** The layout of a ring. The device does not record it, so both sides have to agree on it. */
export interface Layout {
  /** Bytes in a sector. */
  readonly sectorSize: number
  /** Sectors on the device. */
  readonly sizeSectors: number
  /** Bytes of the data area. A safe integer. */
  readonly dataBytes: number
}

/**
 * @throws {RingError} `RING_DEVICE_TOO_SMALL`
 */
export function makeLayout(sectorSize: number, sizeSectors: number, device: string): Layout {
  if (sizeSectors < MIN_SECTORS) {
    throw new RingError(
      'RING_DEVICE_TOO_SMALL',
      `The block device is too small for a ring; the minimum size is ${MIN_SECTORS} sectors, but ` +
        `${device} has ${sizeSectors} of ${sectorSize} bytes`,
      { device, expected: `at least ${MIN_SECTORS} sectors`, found: String(sizeSectors) },
    )
  }
  return { sectorSize, sizeSectors, dataBytes: (sizeSectors - DATA_SECTOR) * sectorSize }
}

/**
 * Checks that no part of the file or export is cut off. If it ends within a sector, programs that round differently see
 * different numbers of sectors, and every item at a different offset.
 * @throws {RingError} `RING_PARTIAL_SECTOR`
 */
export function checkWholeSectors(size: DeviceSize): void {
  const { name: device, sectorSize, sizeSectors, unusedBytes = 0 } = size
  if (unusedBytes === 0) return
  const offset = sizeSectors * sectorSize
  const expected = `a multiple of ${sectorSize} bytes`
  const found = `${offset + unusedBytes} bytes`
  throw new RingError(
    'RING_PARTIAL_SECTOR',
    `${device} ends within a sector: its size has to be ${expected} for a ring of format 1, which does not record it, such as ` +
      `${offset} or ${offset + sectorSize} bytes, but is ${found}; nothing was changed. Give it the size that the ring was made ` +
      'with, or copy it again if it is a copy that was cut short',
    { device, offset, field: 'size', expected, found },
  )
}

/** Length of an item's record in bytes, with its length field and padding. */
export function recordBytes(itemBytes: number): number {
  return Math.ceil((itemBytes + HEADER_BYTES) / HEADER_BYTES) * HEADER_BYTES
}

/** True if records can begin and end at the offset. */
export function isAligned(offset: bigint): boolean {
  return offset % BigInt(HEADER_BYTES) === 0n
}

/** Length of the largest item, in bytes. */
export function maxItemBytes(layout: Layout): number {
  return Math.min(layout.dataBytes - HEADER_BYTES, MAX_LENGTH)
}

/** The place of a ring offset in the data area, in bytes from the area's start. */
export function dataOffset(layout: Layout, offset: bigint): number {
  return Number(offset % BigInt(layout.dataBytes))
}

/** The content of sector 0. */
export function encodeMagic(sectorSize: number): Uint8Array {
  const sector = new Uint8Array(sectorSize)
  new TextEncoder().encodeInto(MAGIC, sector)
  return sector
}
