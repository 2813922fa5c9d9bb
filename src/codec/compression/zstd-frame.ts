const MAGIC = 0xfd2fb528
/**
 * Bytes of the frame's content size, by the descriptor's two highest bits, and of the dictionary's id, by its two
 * lowest bits.
 */
const SIZE_BYTES = [0, 2, 4, 8] as const
const DICTIONARY_BYTES = [0, 1, 2, 4] as const
const SINGLE_SEGMENT = 0x20
const CHECKSUM = 0x04
/** A block of one repeated byte. Its size is that of its output. */
const RLE = 1

/**
 * Finds the end of a zstd frame (RFC 8878) by the sizes of its blocks, without decompressing them.
 * @throws {RangeError} it does not end within the bytes, or is not a zstd frame
 */
export function zstdFrameBytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 5 || view.getUint32(0, true) !== MAGIC) {
    throw new RangeError('expected the magic of a zstd frame')
  }
  const descriptor = view.getUint8(4)
  const single = (descriptor & SINGLE_SEGMENT) !== 0
  const sizeFlag = (descriptor >> 6) as 0 | 1 | 2 | 3
  // A single segment has no window, but always a size.
  const sizeBytes = single && sizeFlag === 0 ? 1 : SIZE_BYTES[sizeFlag]
  let at = 5 + (single ? 0 : 1) + DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3] + sizeBytes
  for (let isLast = false; !isLast; ) {
    if (at + 3 > bytes.length) throw cut(bytes)
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    isLast = (header & 1) !== 0
    const type = (header >> 1) & 3
    at += 3 + (type === RLE ? 1 : header >> 3)
  }
  if ((descriptor & CHECKSUM) !== 0) at += 4
  if (at > bytes.length) throw cut(bytes)
  return at
}

function cut({ length }: Uint8Array): RangeError {
  return new RangeError(`expected a whole zstd frame, found its first ${length} bytes`)
}
