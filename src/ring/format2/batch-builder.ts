import type { RoomFor } from '../format.ts'
import { roomOf } from '../shared/own-items.ts'
import { type BatchHeader, batchBlocks, encodeBatch, frontBytes } from './disk/batch.ts'
import type { Disk } from './disk/disk.ts'
import { MAX_BATCH_BYTES } from './disk/layout.ts'
import type { LogPosition } from './disk/log-position.ts'

/** A batch to write. */
export interface BatchContent {
  readonly items: readonly Uint8Array[]
  /** Bytes of all items together. */
  readonly bodyBytes: number
  /** Items before this sequence number are committed by it. */
  readonly committedTo: number
  /** It, if it was encoded ahead. */
  readonly encoded?: EncodedBatch
}

/** Where a batch begins, and what its header says besides. */
export interface BatchStart {
  readonly start: LogPosition
  readonly epoch: number
  readonly time: number
}

/** A batch as it is written. */
export interface EncodedBatch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
}

/**
 * Encodes the batches of a producer, in memory that is used again each time, because allocating is slow. There are two pieces of it: while
 * one batch is written, the next is encoded in the other. Batches are written one after the other, so that is always enough.
 */
export class BatchBuilder {
  readonly #disk: Disk
  #memory: Uint8Array = new Uint8Array(0)
  /** Memory of the batch that is written while another one is encoded. */
  #otherMemory: Uint8Array = new Uint8Array(0)

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** The room for a batch, and what precedes its items. */
  readonly roomFor: RoomFor = (bytes, items) => ({
    bytes: this.#bytesOf(items, bytes),
    front: frontBytes(items, bytes),
  })

  encode({ items, bodyBytes, committedTo }: BatchContent, start: BatchStart): EncodedBatch {
    // Items that stand where their batch is built are masked in place. They must not be pushed again then, so they are all that their call
    // pushes (a part of them is no `OwnItems`), and the call is rejected with them.
    const around = roomOf(items, frontBytes(items.length, bodyBytes))
    const bytes = this.#memoryOf(this.#bytesOf(items.length, bodyBytes), around)
    return { header: encodeBatch(bytes, items, { ...start, committedTo }, this.#disk.uuid), bytes }
  }

  /**
   * Encodes a batch while the one before is written: in the other memory.
   * @returns undefined if it is larger than the memory for batches, or there is none
   */
  encodeAhead(batch: BatchContent, start: BatchStart): EncodedBatch | undefined {
    if (batch.bodyBytes > MAX_BATCH_BYTES) return undefined
    try {
      ;[this.#memory, this.#otherMemory] = [this.#otherMemory, this.#memory]
      return this.encode(batch, start)
    } catch {
      // There is no memory: the write that is under way does not fail for it. It is encoded again when its turn comes.
      return undefined
    }
  }

  #bytesOf(items: number, bodyBytes: number): number {
    const { blockSize } = this.#disk.layout
    return batchBlocks(items, bodyBytes, blockSize) * blockSize
  }

  #memoryOf(bytes: number, around: Uint8Array | undefined): Uint8Array {
    if (around !== undefined && around.length >= bytes) return around.subarray(0, bytes)
    const { device } = this.#disk
    if (bytes > MAX_BATCH_BYTES) return device.allocate(bytes)
    if (this.#memory.length < bytes) this.#memory = device.allocate(bytes)
    return this.#memory.subarray(0, bytes)
  }
}
