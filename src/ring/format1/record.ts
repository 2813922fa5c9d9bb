import { RingError } from '../../errors.ts'
import { DATA_SECTOR, dataOffset, type Layout, recordBytes } from './layout.ts'
import { HEADER_BYTES } from './magic.ts'

/** A run of whole sectors of the data area, which may wrap around its end. */
export interface Extent {
  /** First sector on the device. */
  readonly sector: number
  /** Sectors in the run, at most those of the data area. */
  readonly sectors: number
}

/** The sectors that hold the ring's bytes from one offset to another. */
export function extentOf(layout: Layout, from: bigint, to: bigint): Extent {
  const { sectorSize, dataBytes } = layout
  const start = dataOffset(layout, from)
  const lead = start % sectorSize
  const sectors = Math.ceil((lead + Number(to - from)) / sectorSize)
  return {
    sector: DATA_SECTOR + (start - lead) / sectorSize,
    sectors: Math.min(sectors, dataBytes / sectorSize),
  }
}

/** Splits an extent into one run of the device, or two if it wraps: the offset of each, and its part of `bytes`. */
export function runsOf(
  layout: Layout,
  extent: Extent,
  bytes: Uint8Array,
): readonly { readonly sector: number; readonly bytes: Uint8Array }[] {
  const untilEnd = (layout.sizeSectors - extent.sector) * layout.sectorSize
  const first = { sector: extent.sector, bytes: bytes.subarray(0, untilEnd) }
  if (bytes.length <= untilEnd) return [first]
  return [first, { sector: DATA_SECTOR, bytes: bytes.subarray(untilEnd) }]
}

/**
 * Encodes records into the extent `bytes`, with offsets modulo its length: a record that fills the ring ends in the
 * sector in which it begins.
 */
export function encodeRecords(bytes: Uint8Array, at: number, items: readonly Uint8Array[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let offset = at
  for (const item of items) {
    const end = offset + recordBytes(item.length)
    view.setUint32(offset % bytes.length, item.length, true)
    putWrapped(bytes, offset + HEADER_BYTES, item)
    for (let pad = offset + HEADER_BYTES + item.length; pad < end; pad++) {
      bytes[pad % bytes.length] = 0
    }
    offset = end
  }
}

function putWrapped(bytes: Uint8Array, at: number, item: Uint8Array): void {
  const start = at % bytes.length
  const room = bytes.length - start
  bytes.set(item.subarray(0, room), start)
  if (item.length > room) bytes.set(item.subarray(room), 0)
}

/** Bytes of the ring in memory, from the offset `start` on. */
export interface Window {
  readonly start: bigint
  readonly bytes: Uint8Array
}

/**
 * Parses the length of the record at `from`, which the window has to contain, and checks that the whole record lies
 * before the producer's offset.
 * @throws {RingError} `RING_CORRUPT`
 */
export function parseLength(
  window: Window,
  from: bigint,
  producer: bigint,
  layout: Layout,
  device: string,
): number {
  const { bytes } = window
  const at = Number(from - window.start)
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true)
  const available = producer - from
  if (BigInt(length) + BigInt(HEADER_BYTES) > available) {
    const offset = DATA_SECTOR * layout.sectorSize + dataOffset(layout, from)
    const sector = Math.floor(offset / layout.sectorSize)
    const expected = `at most ${available - BigInt(HEADER_BYTES)}, the bytes before the producer's ${producer}`
    throw new RingError(
      'RING_CORRUPT',
      `The length of the record at position ${from} is impossible: sector ${sector} of ${device}, field ` +
        `length: expected ${expected}, found ${length}`,
      {
        device,
        sector,
        offset,
        field: 'length',
        position: String(from),
        expected,
        found: String(length),
      },
    )
  }
  return length
}
