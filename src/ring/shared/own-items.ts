import { BufferPool, type PooledBuffer } from '../../block/buffer-pool.ts'
import type { RoomFor } from '../format.ts'
import { checkedLength, type ItemLimits } from './item-limits.ts'

/** Size of the memory that small items share. */
const CHUNK_BYTES = 64 << 10
/** Larger items have their own memory, so that none keeps a chunk for long, or leaves much of one unused. */
const SHARED_BYTES = CHUNK_BYTES / 8
/** The items of one call are kept together if the first has as many bytes: shorter ones are copied faster into memory of other kind. */
const MIN_BYTES = 512
/** Nor if they have more, going by the first: one batch does not take them. */
const MAX_TOGETHER_BYTES = 4 << 20

/** Where large items are kept. */
export interface LargeItems {
  /** As `BlockDevice.allocate`. */
  readonly allocate: (bytes: number) => Uint8Array
  /** The size of a batch with these items, and of what precedes them: built around them, it needs no copy. */
  readonly roomFor: RoomFor
}

/** Memory around large items. */
const rooms = new WeakMap<Uint8Array, PooledBuffer>()

/** The memory in which items are kept as their batch has them, the first where it begins there; undefined if they are not. */
export function roomOf(items: readonly Uint8Array[], front: number): Uint8Array | undefined {
  const [first] = items
  if (first === undefined || !areOwn(items)) return undefined
  const memory = (items.room ?? rooms.get(first))?.memory
  return first.byteOffset - front === memory?.byteOffset ? memory : undefined
}

const OWN: unique symbol = Symbol('own')

/**
 * Checked items whose bytes no other code can change, so they need no copy. A marked plain array, because V8 is slow with subclasses of
 * arrays.
 */
export interface OwnItems extends Array<Uint8Array> {
  [OWN]: true
  /** The memory in which all of them are, one after the other, as their batch has them. */
  room?: PooledBuffer | undefined
}

/** Items of our own: none yet. */
export function ownItems(): OwnItems {
  const items = [] as Uint8Array[] as OwnItems
  items[OWN] = true
  return items
}

/** True if they are items of our own. */
export function areOwn(items: readonly Uint8Array[] | Uint8Array): items is OwnItems {
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

  /**
   * Copies the items of one call: one after the other as their batch has them, if it is worth it, and they are about as long as the first.
   * @param own what they are put into
   */
  keeper(own: OwnItems, count: number, limits: ItemLimits): (item: Uint8Array) => Uint8Array {
    let at: number | undefined
    return (item) => {
      const length = checkedLength(item, limits)
      at ??= this.#makeRoom(own, count, length)
      const memory = own.room?.memory
      if (memory === undefined || at + length > memory.length) {
        own.room = undefined
        return this.keep(item, limits)
      }
      const copy = new Uint8Array(memory.buffer, memory.byteOffset + at, length)
      copy.set(item)
      at += length
      return copy
    }
  }

  /** @returns where the first item begins in it */
  #makeRoom(own: OwnItems, count: number, itemBytes: number): number {
    const bytes = count * itemBytes
    const isWorthIt = itemBytes >= MIN_BYTES && bytes >= CHUNK_BYTES && bytes <= MAX_TOGETHER_BYTES
    const room = isWorthIt ? this.#large?.roomFor(bytes, count) : undefined
    own.room = room && this.#pool?.acquire(room.bytes)
    return room?.front ?? 0
  }

  /** Releases the memory of items that were pushed. Not after a failure: it may still be on its way to the device. */
  release(items: Uint8Array | readonly Uint8Array[]): void {
    if (!(items instanceof Uint8Array)) {
      if (areOwn(items) && items.room !== undefined) items.room.release()
      else for (const item of items) this.release(item)
    } else if (items.length > SHARED_BYTES) {
      rooms.get(items)?.release()
      rooms.delete(items)
    }
  }

  #keepLarge(item: Uint8Array, length: number): Uint8Array {
    if (this.#large === undefined || this.#pool === undefined) return new Uint8Array(item)
    const { bytes, front } = this.#large.roomFor(length, 1)
    const pooled = this.#pool.acquire(bytes)
    const own = pooled.memory.subarray(front, front + length)
    own.set(item)
    rooms.set(own, pooled)
    return own
  }
}
