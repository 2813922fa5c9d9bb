import type { RoomFor } from '../format.ts'
import { roomOf } from '../shared/own-items.ts'
import { type BatchHeader, batchBlocks, encodeBatch, frontBytes } from './disk/batch.ts'
import type { Disk } from './disk/disk.ts'
import { MAX_BATCH_BYTES } from './disk/layout.ts'
import type { LogPosition } from './disk/log-position.ts'

/** A batch to write. */
export interface BatchContent {
  readonly items: readonly Uint8Array[]
  /** Total bytes of all items. */
  readonly bodyBytes: number
  /** The batch commits all items before this sequence number. */
  readonly committedTo: number
  /** The encoded form, if it was built ahead. */
  readonly encoded?: EncodedBatch
}

/** The position of a batch, and the rest of what its header needs. */
export interface BatchStart {
  readonly start: LogPosition
  readonly epoch: number
  readonly time: number
}

/** A batch, ready to write. */
export interface EncodedBatch {
  readonly header: BatchHeader
  readonly bytes: Uint8Array
}

/**
 * Encodes a producer's batches into two buffers that are reused, because allocation is slow. While one batch is being
 * written, the next is encoded into the other buffer. Batches are written one at a time, so two buffers are enough.
 */
export class BatchBuilder {
  readonly #disk: Disk
  #memory: Uint8Array = new Uint8Array(0)
  /** The buffer of the batch being written. */
  #otherMemory: Uint8Array = new Uint8Array(0)

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Reserves room for a batch, and returns what precedes its items. */
  readonly roomFor: RoomFor = (bytes, items) => ({
    bytes: this.#bytesOf(items, bytes),
    front: frontBytes(items, bytes),
  })

  encode({ items, bodyBytes, committedTo }: BatchContent, start: BatchStart): EncodedBatch {
    // Items that were copied straight into their batch are masked in place. They must not be pushed again, so they have
    // to be all the items of their call (a slice of them is no `OwnItems`), and the call is rejected along with them.
    const around = roomOf(items, frontBytes(items.length, bodyBytes))
    const bytes = this.#memoryOf(this.#bytesOf(items.length, bodyBytes), around)
    return { header: encodeBatch(bytes, items, { ...start, committedTo }, this.#disk.uuid), bytes }
  }

  /**
   * Encodes a batch into the other buffer while the one before is being written.
   * @returns undefined if it is larger than the buffer may be, or memory is short
   */
  encodeAhead(batch: BatchContent, start: BatchStart): EncodedBatch | undefined {
    if (batch.bodyBytes > MAX_BATCH_BYTES) return undefined
    try {
      ;[this.#memory, this.#otherMemory] = [this.#otherMemory, this.#memory]
      return this.encode(batch, start)
    } catch {
      // Out of memory. The write in progress must not fail for it; this batch is encoded again in its turn.
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
