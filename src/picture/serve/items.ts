import { decodeHead } from '../../codec/envelope.ts'
import { isCodecError } from '../../errors.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { formatPosition, itemNumber } from '../../ring/shared/position-text.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { headJson } from '../../text/envelope-head.ts'
import type { DeviceAccess } from '../watch/access.ts'

/** Items that are shown at a time, and bytes of each. */
export const MOST_ITEMS = 20
const MOST_BYTES = 4096

/** An item for the page. */
export interface ItemSeen {
  readonly position: string
  readonly number?: number
  readonly pushedAt?: number
  /** The length of the whole item. */
  readonly bytes: number
  /** Its first bytes; of an envelope, those of the item within. */
  readonly hex: string
  /** The head of the envelope, if it is one. */
  readonly envelope?: object
}

/** The items that the consumer gets next. */
export async function nextItems(
  path: string,
  access: DeviceAccess,
  signal: AbortSignal,
): Promise<readonly ItemSeen[]> {
  await using device = await access.open(path)
  const { format, items } = await inspectRing(device, { signal })
  const seen: ItemSeen[] = []
  for await (const popped of items()) {
    seen.push(itemSeen(popped, format))
    if (seen.length === MOST_ITEMS) break
  }
  return seen
}

function itemSeen({ item, position, pushedAt }: PoppedItem, format: 1 | 2): ItemSeen {
  const { envelope, within } = opened(item)
  const number = itemNumber(position, format)
  return {
    position: formatPosition(position, format),
    ...(number !== undefined && { number }),
    ...(pushedAt !== undefined && { pushedAt }),
    bytes: item.length,
    hex: Buffer.from(within.subarray(0, MOST_BYTES)).toString('hex'),
    ...(envelope !== undefined && { envelope }),
  }
}

function opened(item: Uint8Array): { readonly envelope?: object; readonly within: Uint8Array } {
  try {
    const { bytes, head } = decodeHead(item)
    return { envelope: headJson(head), within: item.subarray(bytes.length) }
  } catch (error) {
    if (isCodecError(error) || error instanceof TypeError) return { within: item }
    throw error
  }
}
