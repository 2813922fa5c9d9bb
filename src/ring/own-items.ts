/** Memory that small items share. */
const CHUNK_BYTES = 64 << 10
/** Larger items have memory of their own, so that no chunk is kept for long by one of them, or left with much unused. */
const SHARED_BYTES = CHUNK_BYTES / 8

/** Items whose bytes nobody else can change, so they need no copy. */
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
   * @param maxItemBytes larger items are refused later on, and not copied
   * @throws {TypeError} the memory of one was given away
   */
  own(items: readonly Uint8Array[], maxItemBytes: number): OwnItems {
    if (items instanceof OwnItems) return items
    const own = new OwnItems()
    for (const item of items)
      own.push(item instanceof Uint8Array ? this.keep(item, maxItemBytes) : item)
    return own
  }

  /**
   * As `own`, of one item.
   * @throws {TypeError} its memory was given away
   */
  keep(item: Uint8Array, maxItemBytes: number): Uint8Array {
    const { length } = item
    if (length > maxItemBytes) return item
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
