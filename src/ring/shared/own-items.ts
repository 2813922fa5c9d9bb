import { BufferPool, type PooledBuffer } from '../../block/buffer-pool.ts'
import type { RoomFor } from '../format.ts'
import { checkedLength, type ItemLimits } from './item-limits.ts'

/** Size of the chunks that small items share. */
const CHUNK_BYTES = 64 << 10
/** Larger items have memory of their own, so that none keeps a chunk alive for long, or wastes much of one. */
const SHARED_BYTES = CHUNK_BYTES / 8
/**
 * The items of one call are kept together if the first is at least this long: shorter ones are copied faster into other
 * memory.
 */
const MIN_BYTES = 512
/** Not if their total, judged by the first, exceeds this: one batch would not hold them. */
const MAX_TOGETHER_BYTES = 4 << 20

/** The memory for large items. */
export interface LargeItems {
  /** As `BlockDevice.allocate`. */
  readonly allocate: (bytes: number) => Uint8Array
  /** The size of a batch with these items, and of what precedes them: a batch built around them needs no copy. */
  readonly roomFor: RoomFor
}

/** The memory around large items. */
const rooms = new WeakMap<Uint8Array, PooledBuffer>()

/** The memory in which items lie as in their batch, with the first at its offset there; undefined if they do not. */
export function roomOf(items: readonly Uint8Array[], front: number): Uint8Array | undefined {
  const [first] = items
  if (first === undefined || !areOwn(items)) return undefined
  const memory = (items.room ?? rooms.get(first))?.memory
  return first.byteOffset - front === memory?.byteOffset ? memory : undefined
}

const OWN: unique symbol = Symbol('own')

/**
 * Validated items whose bytes no other code can change, so that they need no copy. A marked plain array, because V8 is
 * slow with subclasses of arrays.
 */
export interface OwnItems extends Array<Uint8Array> {
  [OWN]: true
  /** The memory that has all of them, in sequence, as in their batch. */
  room?: PooledBuffer | undefined
}

/** An empty list of our own items. */
export function ownItems(): OwnItems {
  const items = [] as Uint8Array[] as OwnItems
  items[OWN] = true
  return items
}

/** True if the items are our own. */
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
 * Copies items when they are pushed: their content at the call counts, though they may be written much later. Small
 * items share memory, because allocating some for each takes longer than the copy.
 */
export class ItemMemory {
  #chunk = new ArrayBuffer(0)
  #used = 0
  readonly #large: LargeItems | undefined
  readonly #pool: BufferPool | undefined

  /** @param large without it, each large item gets new memory, which is slow to allocate */
  constructor(large?: LargeItems) {
    this.#large = large
    this.#pool = large === undefined ? undefined : new BufferPool(large.allocate)
  }

  /**
   * Copies the items, except those that are our own already.
   * @throws as `keep`
   */
  own(items: readonly Uint8Array[], limits: ItemLimits): OwnItems {
    if (areOwn(items)) return items
    const own = ownItems()
    for (const item of items) own.push(this.keep(item, limits))
    return own
  }

  /**
   * Copies one item. Its length is validated here, because both length and bytes can change until it is written.
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
   * Copies the items of one call. They lie in sequence, as in their batch, if that is worth it and they are about as
   * long as the first.
   * @param own receives the copies
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

  /** @returns the offset of the first item in it */
  #makeRoom(own: OwnItems, count: number, itemBytes: number): number {
    const bytes = count * itemBytes
    const isWorthIt = itemBytes >= MIN_BYTES && bytes >= CHUNK_BYTES && bytes <= MAX_TOGETHER_BYTES
    const room = isWorthIt ? this.#large?.roomFor(bytes, count) : undefined
    own.room = room && this.#pool?.acquire(room.bytes)
    return room?.front ?? 0
  }

  /** Releases the memory of pushed items. Not after a failure: the device may still be writing from it. */
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
