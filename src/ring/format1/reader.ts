import type { BlockDevice } from '../../block/device.ts'
import { asPosition } from '../../position.ts'
import { DEFAULT_MAX_ITEM_BYTES, itemTooLarge } from '../shared/item-limits.ts'
import type { PoppedItem } from '../types.ts'
import { DATA_SECTOR, dataOffset, type Layout, recordBytes } from './layout.ts'
import { HEADER_BYTES } from './magic.ts'
import { extentOf, parseLength, runsOf, type Window } from './record.ts'

/** Bytes that a read takes beyond those needed now. */
const READ_AHEAD_BYTES = 256 * 1024

/**
 * Reads records in large extents, and keeps the last one. Bytes before the producer's offset never change, unless that
 * offset is lost with a cache.
 */
export class RecordReader {
  readonly #device: BlockDevice
  readonly #layout: Layout
  readonly #maxItemBytes: number
  #memory: Uint8Array = new Uint8Array(0)
  #window: Window = { start: 0n, bytes: new Uint8Array(0) }

  /** @param maxItemBytes larger items are not read into memory */
  constructor(device: BlockDevice, layout: Layout, maxItemBytes: number = DEFAULT_MAX_ITEM_BYTES) {
    this.#device = device
    this.#layout = layout
    this.#maxItemBytes = maxItemBytes
  }

  /** Drops what was read. */
  forget(): void {
    this.#window = { start: 0n, bytes: new Uint8Array(0) }
  }

  /**
   * Copies the item at `from`, which lies before the producer's offset.
   * @throws {RingError} `RING_CORRUPT` if its length is invalid; `RING_ITEM_TOO_LARGE`
   */
  async read(from: bigint, producer: bigint): Promise<Uint8Array> {
    const length = await this.#lengthAt(from, producer)
    if (length > this.#maxItemBytes) {
      throw itemTooLarge({
        device: this.#device.name,
        offset: DATA_SECTOR * this.#layout.sectorSize + dataOffset(this.#layout, from),
        length,
        position: String(from + BigInt(recordBytes(length))),
        maxItemBytes: this.#maxItemBytes,
      })
    }
    await this.#need(from, HEADER_BYTES + length, producer)
    const at = Number(from - this.#window.start) + HEADER_BYTES
    return this.#window.bytes.slice(at, at + length)
  }

  /**
   * Copies items from `from` on, up to the producer's offset, or until their bytes reach a limit. If one is damaged,
   * those before it are returned, and the next call throws.
   * @throws as `read`, for the first item
   */
  async readMany(
    from: bigint,
    producer: bigint,
    maxItems: number,
    maxBytes: number,
  ): Promise<readonly PoppedItem[]> {
    const items: PoppedItem[] = []
    let at = from
    for (let bytes = 0; at < producer && items.length < maxItems && bytes < maxBytes; ) {
      try {
        const item = await this.read(at, producer)
        at += BigInt(recordBytes(item.length))
        bytes += item.length
        items.push({ item, position: asPosition(at) })
      } catch (error) {
        if (items.length === 0) throw error
        break
      }
    }
    return items
  }

  /**
   * Reads the record at `from`, which lies before the producer's offset, window by window, however large it is.
   * @returns the length of its item
   * @throws {RingError} `RING_CORRUPT` if the length is invalid
   * @throws the signal's reason
   */
  async pass(from: bigint, producer: bigint, signal: AbortSignal | undefined): Promise<number> {
    const length = await this.#lengthAt(from, producer)
    const end = from + BigInt(recordBytes(length))
    for (let at = from; at < end; ) {
      signal?.throwIfAborted()
      await this.#need(at, 1, producer)
      at = this.#window.start + BigInt(this.#window.bytes.length)
    }
    return length
  }

  async #lengthAt(from: bigint, producer: bigint): Promise<number> {
    await this.#need(from, HEADER_BYTES, producer)
    return parseLength(this.#window, from, producer, this.#layout, this.#device.name)
  }

  /** Makes the window contain `bytes` bytes from `from` on. */
  async #need(from: bigint, bytes: number, producer: bigint): Promise<void> {
    const { start, bytes: held } = this.#window
    if (from >= start && from + BigInt(bytes) <= start + BigInt(held.length)) return
    const wanted = Math.min(Number(producer - from), Math.max(bytes, READ_AHEAD_BYTES))
    this.forget()
    const extent = extentOf(this.#layout, from, from + BigInt(wanted))
    const memory = this.#allocate(extent.sectors * this.#layout.sectorSize)
    for (const run of runsOf(this.#layout, extent, memory)) {
      await this.#device.read(run.sector, [run.bytes])
    }
    const lead = dataOffset(this.#layout, from) % this.#layout.sectorSize
    this.#window = { start: from, bytes: this.#unwrapped(memory, lead, wanted) }
  }

  /** The wanted bytes as one range: in a full ring they may end in the sector in which they begin. */
  #unwrapped(memory: Uint8Array, lead: number, wanted: number): Uint8Array {
    if (lead + wanted <= memory.length) return memory.subarray(lead, lead + wanted)
    const bytes = new Uint8Array(wanted)
    bytes.set(memory.subarray(lead))
    bytes.set(memory.subarray(0, lead + wanted - memory.length), memory.length - lead)
    return bytes
  }

  /** Memory for an extent, reused if it is of the usual size. */
  #allocate(bytes: number): Uint8Array {
    const usual = READ_AHEAD_BYTES + 2 * this.#layout.sectorSize
    if (bytes > usual) return this.#device.allocate(bytes)
    if (this.#memory.length === 0) this.#memory = this.#device.allocate(usual)
    return this.#memory.subarray(0, bytes)
  }
}
