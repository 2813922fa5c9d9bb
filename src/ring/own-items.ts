import { checkedLength, type ItemLimits } from './item-limits.ts'

/** Memory that small items share. */
const CHUNK_BYTES = 64 << 10
/** Larger items have memory of their own, so that no chunk is kept for long by one of them, or left with much unused. */
const SHARED_BYTES = CHUNK_BYTES / 8

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
    if (length > SHARED_BYTES) return new Uint8Array(item)
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(CHUNK_BYTES)
      this.#used = 0
    }
    const copy = this.#chunk.subarray(this.#used, this.#used + length)
    copy.set(item)
    this.#used += length
    return copy
  }
}
