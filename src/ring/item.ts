import { RingError } from '../errors.ts'
import { HEADER_BYTES } from './format1/layout.ts'

/**
 * Checks that an item can ever be pushed.
 * @throws {TypeError} it is no Uint8Array
 * @throws {RingError} `RING_ITEM_TOO_LARGE`
 */
export function checkItem(item: Uint8Array, maxItemBytes: number, device: string): void {
  if (!(item instanceof Uint8Array)) throw new TypeError('an item has to be a Uint8Array')
  if (item.length <= maxItemBytes) return
  throw new RingError(
    'RING_ITEM_TOO_LARGE',
    `The ring is too small for a message of size ${item.length + HEADER_BYTES} bytes; the largest item ` +
      `that ${device} takes is ${maxItemBytes} bytes`,
    { device, expected: `an item of at most ${maxItemBytes} bytes`, found: String(item.length) },
  )
}

/** Bytes of all items together. */
export function totalBytes(items: readonly Uint8Array[]): number {
  let bytes = 0
  for (const item of items) bytes += item.length
  return bytes
}
