import { batchBlocks } from './disk/batch.ts'
import { type Layout, maxBatchBlocks } from './disk/layout.ts'

/** Batches of this length or more are cut evenly, because encoding them takes noticeable time. */
const EVEN_BYTES = 1 << 20

/** The items of a call that go into the next batch. */
export interface Part {
  /** Index after its last item. */
  readonly end: number
  /** Their total bytes. */
  readonly bytes: number
  /** Blocks that one more item would need; 0 if room is not what stopped it. */
  readonly needed: number
}

/**
 * Cuts the items of one call into batches. If several long batches are needed, they are about equally long, so that
 * each can be encoded while the one before is written.
 */
export class BatchCutter {
  readonly #items: readonly Uint8Array[]
  readonly #layout: Layout
  readonly #commit: boolean
  /** Blocks at which a batch ends, set once the items are known not to fit into one. */
  #evenBlocks: number | undefined

  /** @param commit true if each batch commits its items */
  constructor(items: readonly Uint8Array[], layout: Layout, commit: boolean) {
    this.#items = items
    this.#layout = layout
    this.#commit = commit
  }

  get count(): number {
    return this.#items.length
  }

  /** A range of the items, as an array. */
  slice(start: number, end: number): readonly Uint8Array[] {
    return start === 0 && end === this.#items.length ? this.#items : this.#items.slice(start, end)
  }

  /**
   * Takes the items from `start` that fit into one batch and have room. One block stays free for each uncommitted item:
   * its commit may need a marker of its own, which must not fail for lack of room.
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

  /** All items from `start`, if they fit into one batch. This is the usual case, and needs no look at single items. */
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

  /** Blocks of each batch, if the items from `start` are spread evenly over as few batches as possible. */
  #evenly(start: number): number {
    const { blockSize } = this.#layout
    const most = maxBatchBlocks(this.#layout)
    if (most * blockSize < EVEN_BYTES) return Number.POSITIVE_INFINITY
    const blocks = batchBlocks(this.#items.length - start, this.#bytesFrom(start), blockSize)
    return Math.ceil(blocks / Math.ceil(blocks / most))
  }
}
