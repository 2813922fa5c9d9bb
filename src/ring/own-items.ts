import { BufferPool, type PooledBuffer } from '../block/buffer-pool.ts'
import { checkedLength, type ItemLimits } from './item-limits.ts'

/** Memory that small items share. */
const CHUNK_BYTES = 64 << 10
/** Larger items have memory of their own, so that no chunk is kept for long by one of them, or left with much unused. */
const SHARED_BYTES = CHUNK_BYTES / 8

/** Where large items are kept. */
export interface LargeItems {
  /** As that of a device. */
  readonly allocate: (bytes: number) => Uint8Array
  /** The batch of an item that is alone in it, which then needs no copy of it: its size, and what comes before the item. */
  readonly roomFor: (itemBytes: number) => { readonly bytes: number; readonly front: number }
}

/** The memory around large items. */
const rooms = new WeakMap<Uint8Array, PooledBuffer>()

/** The memory in which a large item is kept, with room in front of it and behind it; undefined if it has none. */
export function roomOf(item: Uint8Array): Uint8Array | undefined {
  return rooms.get(item)?.memory
}

/** Items that were checked, and whose bytes nobody else can change, so they need no copy. */
export class OwnItems extends Array<Uint8Array> {}

/** Our own items, when all are there. */
export async function allOwn(
  items: readonly (Uint8Array | Promise<Uint8Array>)[],
): Promise<OwnItems> {
  const own = new OwnItems()
  for (const item of await Promise.all(items)) own.push(item)
  return own
}

/**
 * Copies items when they are handed over: what is pushed is what was there at the call, though it may be written much later.
 * Small ones lie one behind the other, so that a batch can take many of them in one go.
 */
export class ItemMemory {
  #chunk: Uint8Array = new Uint8Array(0)
  #used = 0
  readonly #large: LargeItems | undefined
  readonly #pool: BufferPool | undefined

  /** @param large without it, large items are kept in new memory each time, which the system makes slowly */
  constructor(large?: LargeItems) {
    this.#large = large
    this.#pool = large === undefined ? undefined : new BufferPool(large.allocate)
  }

  /**
   * Copies of the items; items that are our own already are answered as they are.
   * @throws as `keep`
   */
  own(items: readonly Uint8Array[], limits: ItemLimits): OwnItems {
    if (items instanceof OwnItems) return items
    const own = new OwnItems()
    for (const item of items) own.push(this.keep(item, limits))
    return own
  }

  /**
   * A copy of one item. Its length is checked here, because it can change until it is written, as its bytes can.
   * @throws {TypeError} it is no Uint8Array, or its memory was given away
   * @throws {RingError} `RING_ITEM_TOO_LARGE`
   */
  keep(item: Uint8Array, limits: ItemLimits): Uint8Array {
    const length = checkedLength(item, limits)
    if (length > SHARED_BYTES) return this.#keepLarge(item, length)
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(CHUNK_BYTES)
      this.#used = 0
    }
    const copy = this.#chunk.subarray(this.#used, this.#used + length)
    copy.set(item)
    this.#used += length
    return copy
  }

  /** Items that were pushed need their memory no more. After a failure it may still be on its way to the device. */
  release(items: Uint8Array | OwnItems): void {
    if (!(items instanceof Uint8Array)) for (const item of items) this.release(item)
    else if (items.length > SHARED_BYTES) {
      rooms.get(items)?.release()
      rooms.delete(items)
    }
  }

  #keepLarge(item: Uint8Array, length: number): Uint8Array {
    if (this.#large === undefined || this.#pool === undefined) return new Uint8Array(item)
    const { bytes, front } = this.#large.roomFor(length)
    const pooled = this.#pool.lend(bytes)
    const own = pooled.memory.subarray(front, front + length)
    own.set(item)
    rooms.set(own, pooled)
    return own
  }
}
