import { BufferPool, type PooledBuffer } from '../../block/buffer-pool.ts'
import { checkedLength, type ItemLimits } from './item-limits.ts'

/** Size of the memory that small items share. */
const CHUNK_BYTES = 64 << 10
/** Larger items have their own memory, so that none keeps a chunk for long, or leaves much of one unused. */
const SHARED_BYTES = CHUNK_BYTES / 8

/** Where large items are kept. */
export interface LargeItems {
  /** As `BlockDevice.allocate`. */
  readonly allocate: (bytes: number) => Uint8Array
  /** The size of a batch with this item alone, and of what precedes the item: built around the item, it needs no copy. */
  readonly roomFor: (itemBytes: number) => { readonly bytes: number; readonly front: number }
}

/** Memory around large items. */
const rooms = new WeakMap<Uint8Array, PooledBuffer>()

/** The memory in which a large item is kept, with room before and after it; undefined if it has none. */
export function roomOf(item: Uint8Array): Uint8Array | undefined {
  return rooms.get(item)?.memory
}

const OWN: unique symbol = Symbol('own')

/**
 * Checked items whose bytes no other code can change, so they need no copy. A marked plain array, because V8 is slow with subclasses of
 * arrays.
 */
export interface OwnItems extends Array<Uint8Array> {
  [OWN]: true
}

/** Items of our own: none yet. */
export function ownItems(): OwnItems {
  const items = [] as Uint8Array[] as OwnItems
  items[OWN] = true
  return items
}

function areOwn(items: readonly Uint8Array[]): items is OwnItems {
  return OWN in items
}

/** The items as our own, if all are. */
export async function allOwn(
  items: readonly (Uint8Array | Promise<Uint8Array>)[],
): Promise<OwnItems> {
  const own = ownItems()
  for (const item of await Promise.all(items)) own.push(item)
  return own
}

/**
 * Copies items when they are pushed: what counts is their content at the call, though they may be written much later. Small items
 * share memory, because making some for each takes longer than the copy.
 */
export class ItemMemory {
  #chunk = new ArrayBuffer(0)
  #used = 0
  readonly #large: LargeItems | undefined
  readonly #pool: BufferPool | undefined

  /** @param large without it, large items get new memory each time, which is slow to allocate */
  constructor(large?: LargeItems) {
    this.#large = large
    this.#pool = large === undefined ? undefined : new BufferPool(large.allocate)
  }

  /**
   * Copies of the items; items that are our own already are not copied.
   * @throws as `keep`
   */
  own(items: readonly Uint8Array[], limits: ItemLimits): OwnItems {
    if (areOwn(items)) return items
    const own = ownItems()
    for (const item of items) own.push(this.keep(item, limits))
    return own
  }

  /**
   * A copy of one item. Its length is checked here, because both it and the bytes can change until it is written.
   * @throws {TypeError} it is not a Uint8Array, or its memory was transferred
   * @throws {RingError} `RING_ITEM_TOO_LARGE`
   */
  keep(item: Uint8Array, limits: ItemLimits): Uint8Array {
    const length = checkedLength(item, limits)
    if (length > SHARED_BYTES) return this.#keepLarge(item, length)
    if (this.#used + length > this.#chunk.byteLength) {
      this.#chunk = new ArrayBuffer(CHUNK_BYTES)
      this.#used = 0
    }
    const copy = new Uint8Array(this.#chunk, this.#used, length)
    copy.set(item)
    this.#used += length
    return copy
  }

  /** Releases the memory of items that were pushed. Not after a failure: it may still be on its way to the device. */
  release(items: Uint8Array | readonly Uint8Array[]): void {
    if (!(items instanceof Uint8Array)) for (const item of items) this.release(item)
    else if (items.length > SHARED_BYTES) {
      rooms.get(items)?.release()
      rooms.delete(items)
    }
  }

  #keepLarge(item: Uint8Array, length: number): Uint8Array {
    if (this.#large === undefined || this.#pool === undefined) return new Uint8Array(item)
    const { bytes, front } = this.#large.roomFor(length)
    const pooled = this.#pool.acquire(bytes)
    const own = pooled.memory.subarray(front, front + length)
    own.set(item)
    rooms.set(own, pooled)
    return own
  }
}
