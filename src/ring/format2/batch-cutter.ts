import { batchBlocks } from './disk/batch.ts'
import { type Layout, maxBatchBlocks } from './disk/layout.ts'

/** Batches that may be this long are cut evenly: encoding them takes long enough. */
const EVEN_BYTES = 1 << 20

/** What the next batch takes of the items of a call. */
export interface Part {
  /** Index after the last of its items. */
  readonly end: number
  /** Bytes of its items together. */
  readonly bytes: number
  /** The room that one more item needs, in blocks; 0 if it lacks something else. */
  readonly needed: number
}

/**
 * Cuts the items of one call into batches. Where they need several long ones, those are about equally long, so that each can be
 * encoded in the time that the one before takes to be written.
 */
export class BatchCutter {
  readonly #items: readonly Uint8Array[]
  readonly #layout: Layout
  readonly #commit: boolean
  /** Blocks at which a batch ends, once it is known that one does not take all. */
  #evenBlocks: number | undefined

  /** @param commit whether each batch commits its items */
  constructor(items: readonly Uint8Array[], layout: Layout, commit: boolean) {
    this.#items = items
    this.#layout = layout
    this.#commit = commit
  }

  get count(): number {
    return this.#items.length
  }

  /** Some of the items, as an array. */
  slice(start: number, end: number): readonly Uint8Array[] {
    return start === 0 && end === this.#items.length ? this.#items : this.#items.slice(start, end)
  }

  /**
   * The items from `start` on that go into one batch and have room. For each uncommitted item one block is kept free: it may be
   * committed alone, with a marker of its own, and that must not fail for lack of room.
   * @param uncommitted items before `start` that are not committed
   * @param room blocks that can be written
   */
  next(start: number, uncommitted: number, room: number): Part {
    const part = this.#all(start, uncommitted, room) ?? this.#fill(start, uncommitted, room)
    const { end, needed } = part
    if (end === this.#items.length || needed > 0 || this.#evenBlocks !== undefined) return part
    this.#evenBlocks = this.#evenly(start)
    return this.#fill(start, uncommitted, room)
  }

  /** All of the items from `start` on, if one batch takes them: mostly it does, and then no single item need be looked at. */
  #all(start: number, uncommitted: number, room: number): Part | undefined {
    if (this.#evenBlocks !== undefined) return undefined
    const end = this.#items.length
    const bytes = this.#bytesFrom(start)
    const blocks = batchBlocks(end - start, bytes, this.#layout.blockSize)
    const kept = this.#commit ? 0 : uncommitted + end - start
    const fits = blocks <= maxBatchBlocks(this.#layout) && blocks + kept <= room
    return fits ? { end, bytes, needed: 0 } : undefined
  }

  #bytesFrom(start: number): number {
    let bytes = 0
    for (let index = start; index < this.#items.length; index++) {
      bytes += (this.#items[index] as Uint8Array).length
    }
    return bytes
  }

  #fill(start: number, uncommitted: number, room: number): Part {
    const { blockSize } = this.#layout
    const items = this.#items
    const most = maxBatchBlocks(this.#layout)
    const enough = this.#evenBlocks ?? Number.POSITIVE_INFINITY
    let bytes = 0
    let blocks = 0
    let end = start
    for (; end < items.length; end++) {
      const more = bytes + (items[end] as Uint8Array).length
      const count = end - start + 1
      const before = blocks
      blocks = batchBlocks(count, more, blockSize)
      if (end > start && (blocks > most || before >= enough)) break
      const needed = blocks + (this.#commit ? 0 : uncommitted + count)
      if (needed > room) return { end, bytes, needed }
      bytes = more
    }
    return { end, bytes, needed: 0 }
  }

  /** Blocks of each batch, if all of the items from `start` on go into as few as possible. */
  #evenly(start: number): number {
    const { blockSize } = this.#layout
    const most = maxBatchBlocks(this.#layout)
    if (most * blockSize < EVEN_BYTES) return Number.POSITIVE_INFINITY
    const blocks = batchBlocks(this.#items.length - start, this.#bytesFrom(start), blockSize)
    return Math.ceil(blocks / Math.ceil(blocks / most))
  }
}
