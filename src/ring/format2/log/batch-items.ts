import type { PooledBuffer } from '../../../block/buffer-pool.ts'
import { crc32c, crc32cEach } from '../../../checksum/crc32c.ts'
import { type BatchHeader, ENTRY_BYTES, frontBytesOf, openTable } from '../disk/batch.ts'

/**
 * The items of a batch. An item is undefined if its checksum fails; all are if the table's fails. An item that is too
 * large for memory is only known to be sound or not.
 */
export class BatchItems {
  readonly length: number
  /** True if all items are sound. */
  readonly whole: boolean
  /** True if the items are in memory. If not, the batch has a single item, which was only checked. */
  readonly isHeld: boolean
  /** True if the table's checksum holds. */
  readonly hasTable: boolean
  #batch: Uint8Array | undefined
  readonly #pooled: PooledBuffer | undefined
  /** The beginning of each item, and the end of the last one. */
  readonly #starts: Float64Array
  /** 1 for each item whose checksum holds. */
  readonly #sound: Uint8Array
  /** Items before this one were handed out as views, and programs may have changed them. */
  #viewedTo = 0

  private constructor(
    header: BatchHeader,
    table: DataView | undefined,
    checksums: ArrayLike<number>,
    batch?: Uint8Array,
    pooled?: PooledBuffer,
  ) {
    const { itemCount } = header
    this.length = itemCount
    this.isHeld = batch !== undefined
    this.hasTable = table !== undefined
    this.#batch = batch
    this.#pooled = pooled
    this.#starts = new Float64Array(itemCount + 1)
    this.#sound = new Uint8Array(itemCount)
    let whole = table !== undefined
    let at = frontBytesOf(header)
    this.#starts[0] = at
    for (let index = 0; index < itemCount; index++) {
      const entry = index * ENTRY_BYTES
      at += table?.getUint32(entry, true) ?? 0
      this.#starts[index + 1] = at
      const holds = checksums[index] === table?.getUint32(entry + 4, true)
      whole &&= holds
      this.#sound[index] = holds ? 1 : 0
    }
    this.whole = whole
  }

  /**
   * The items of a batch in memory.
   * @param batch all of its blocks, unmasked; kept, not copied
   * @param pooled the buffer that contains them, which `release` releases
   */
  static of(batch: Uint8Array, header: BatchHeader, pooled?: PooledBuffer): BatchItems {
    const table = openTable(batch, header)
    const lengths = new Uint32Array(header.itemCount)
    for (let index = 0; index < header.itemCount; index++) {
      lengths[index] = table?.getUint32(index * ENTRY_BYTES, true) ?? 0
    }
    const checksums = crc32cEach(batch, frontBytesOf(header), lengths)
    return new BatchItems(header, table, checksums, batch, pooled)
  }

  /**
   * The only item of a batch that is too large for memory.
   * @param front the batch up to the item, unmasked
   * @param body the item in pieces, unmasked
   */
  static async scan(
    front: Uint8Array,
    header: BatchHeader,
    body: AsyncIterable<Uint8Array>,
  ): Promise<BatchItems> {
    const table = openTable(front, header)
    let checksum = 0
    if (table !== undefined) for await (const piece of body) checksum = crc32c(piece, checksum)
    return new BatchItems(header, table, [checksum])
  }

  /** True if an item's checksum holds. */
  isSound(index: number): boolean {
    return this.#sound[index] === 1
  }

  /** An item, as a view of the batch's memory. */
  at(index: number): Uint8Array | undefined {
    if (!this.isSound(index) || !this.isHeld) return undefined
    return this.#bytes.subarray(this.#starts[index], this.#starts[index + 1])
  }

  /**
   * Pins the batch's memory once for each of the items that are handed out as views.
   * @returns the buffer, which has to be unpinned as often
   */
  pin(begin: number, end: number): PooledBuffer | undefined {
    this.#viewedTo = Math.max(this.#viewedTo, end)
    const pooled = this.#pooled
    if (pooled === undefined || begin === end) return pooled
    for (let index = begin; index < end; index++) pooled.pin()
    const to = this.#bytes.byteOffset + (this.#starts[end] as number)
    pooled.viewedTo = Math.max(pooled.viewedTo, to)
    return pooled
  }

  /** True if a program may have changed or detached an item since it was verified. It has to be read again. */
  isViewed(index: number): boolean {
    return index < this.#viewedTo || this.#pooled?.isGone === true
  }

  /** Releases the memory. The lengths of the items remain known. */
  release(): void {
    if (this.#batch === undefined) return
    this.#batch = undefined
    this.#pooled?.release()
  }

  get #bytes(): Uint8Array {
    if (this.#batch === undefined) throw new Error('the items of this batch were released')
    return this.#batch
  }

  /** Total bytes of the items before one, damaged ones included; 0 for all if the table's checksum fails. */
  bytesBefore(index: number): number {
    return (this.#starts[index] as number) - (this.#starts[0] as number)
  }

  /** The index of the item that contains a byte, counted from the start of the first item. */
  indexAt(byte: number): number {
    let index = 0
    while (this.bytesBefore(index + 1) <= byte) index++
    return index
  }

  /** The end of the run of damaged items that begins with this one. */
  damagedTo(index: number): number {
    let end = index
    while (end < this.length && !this.isSound(end)) end++
    return end
  }

  /**
   * The sound items from `begin` on, in one buffer, ending with the first one that brings their total to `maxBytes`.
   * @param views true for views of the batch's memory, false for copies
   */
  slice(begin: number, end: number, maxBytes: number, views: boolean): readonly Uint8Array[] {
    if (!this.isHeld) return []
    const starts = this.#starts
    const first = starts[begin] as number
    let to = begin
    while (to < end && this.isSound(to) && (starts[to] as number) - first < maxBytes) to++
    const bytes = this.#bytes.subarray(first, starts[to])
    const { buffer, byteOffset } = views ? bytes : new Uint8Array(bytes)
    const items: Uint8Array[] = []
    for (let index = begin; index < to; index++) {
      const start = starts[index] as number
      const length = (starts[index + 1] as number) - start
      items.push(new Uint8Array(buffer, byteOffset + start - first, length))
    }
    return items
  }
}
