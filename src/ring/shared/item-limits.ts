import { RingError } from '../../errors.ts'
import { HEADER_BYTES } from '../format1/magic.ts'
import type { RingRole } from '../types.ts'

/**
 * The largest item by default: 16 MiB. The limit applies on both sides, so that nothing is written that a reader would
 * refuse.
 */
export const DEFAULT_MAX_ITEM_BYTES: number = 16 << 20

/** An item that is larger than its reader accepts. */
interface LargeItem {
  /** The device's name. */
  readonly device: string
  /** In bytes from the device's start. */
  readonly offset: number
  readonly length: number
  /** The position after it, as text. */
  readonly position: string
  readonly maxItemBytes: number
}

/** The error for an item that is sound, as far as is known, and larger than its reader accepts. */
export function itemTooLarge(item: LargeItem): RingError {
  const { device, offset, length, position, maxItemBytes } = item
  return new RingError(
    'RING_ITEM_TOO_LARGE',
    `The item at byte ${offset} of ${device} has ${length} bytes; this reader accepts at most ${maxItemBytes} ` +
      `(maxItemBytes). Read it with a higher limit, or advance to position ${position} to skip it`,
    {
      device,
      offset,
      position,
      field: 'length',
      expected: `at most ${maxItemBytes}`,
      found: String(length),
    },
  )
}

/** The limits for the length of an item. */
export type ItemLimits = Pick<RingRole, 'device' | 'format' | 'maxItemBytes'>

/** The getter that each typed array inherits. An item's class may override its length. */
const { get: lengthOf } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  'length',
) as { readonly get: () => number }

/**
 * The length of an item, if it may be pushed.
 * @throws {TypeError} it is not a Uint8Array
 * @throws {RingError} `RING_ITEM_TOO_LARGE`
 */
export function checkedLength(item: Uint8Array, role: ItemLimits): number {
  if (!(item instanceof Uint8Array)) throw new TypeError('an item has to be a Uint8Array')
  const length = lengthOf.call(item)
  const { maxItemBytes } = role
  if (length <= maxItemBytes) return length
  // In the original's words, which include the length field.
  const size = role.format === 1 ? length + HEADER_BYTES : length
  throw new RingError(
    'RING_ITEM_TOO_LARGE',
    `The ring is too small for a message of size ${size} bytes; the largest item of ${role.device.name} has ` +
      `${maxItemBytes} bytes, limited by its size or by maxItemBytes`,
    {
      device: role.device.name,
      expected: `an item of at most ${maxItemBytes} bytes`,
      found: String(length),
    },
  )
}

/** Total bytes of the items. */
export function totalBytes(items: readonly Uint8Array[]): number {
  let bytes = 0
  for (const item of items) bytes += item.length
  return bytes
}
