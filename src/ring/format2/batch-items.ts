import { crc32cEach } from '../../crc32c.ts'
import { type BatchHeader, openTable, RECORD_BYTES, tableBytes } from './batch.ts'
import type { Lent } from './lent.ts'

/** The items of a batch. Those whose checksum does not hold are undefined: all of them, if that of the table does not. */
export class BatchItems {
  readonly length: number
  /** Whether all items are there. */
  readonly whole: boolean
  #batch: Uint8Array | undefined
  readonly #lent: Lent | undefined
  /** Where each item begins, and where the last one ends. */
  readonly #starts: readonly number[]
  readonly #sound: readonly boolean[]

  /**
   * @param batch all of its blocks, which are kept, not copied
   * @param lent where they are, of which this is a user until `release`
   */
  constructor(batch: Uint8Array, header: BatchHeader, lent?: Lent) {
    const table = openTable(batch, header)
    const lengths: number[] = []
    const starts = [tableBytes(header)]
    for (let index = 0; index < header.records; index++) {
      const length = table?.getUint32(index * RECORD_BYTES, true) ?? 0
      starts.push((starts[index] as number) + length)
      lengths.push(length)
    }
    const checksums = crc32cEach(batch, tableBytes(header), lengths)
    this.length = header.records
    this.#batch = batch
    this.#lent = lent
    this.#starts = starts
    const sound: boolean[] = []
    let whole = table !== undefined
    for (let index = 0; index < header.records; index++) {
      const holds = checksums[index] === table?.getUint32(index * RECORD_BYTES + 4, true)
      whole &&= holds
      sound.push(holds)
    }
    this.#sound = sound
    this.whole = whole
  }

  /** An item, as a view. */
  at(index: number): Uint8Array | undefined {
    if (this.#sound[index] !== true) return undefined
    return this.#bytes.subarray(this.#starts[index], this.#starts[index + 1])
  }

  /** The items are not wanted any more: their memory is used for something else. How long they are is still known. */
  release(): void {
    if (this.#batch === undefined) return
    this.#batch = undefined
    this.#lent?.release()
  }

  get #bytes(): Uint8Array {
    if (this.#batch === undefined) throw new Error('the items of this batch were released')
    return this.#batch
  }

  /** Bytes of the items before one, also of damaged ones; 0 for all if the table does not hold. */
  bytesBefore(index: number): number {
    return (this.#starts[index] as number) - (this.#starts[0] as number)
  }

  /**
   * Copies of the items from one on, which share their memory: as far as they are sound, and up to the one that
   * brings their bytes to `maxBytes`.
   */
  copy(begin: number, end: number, maxBytes: number): readonly Uint8Array[] {
    const starts = this.#starts
    const first = starts[begin] as number
    let to = begin
    while (to < end && this.#sound[to] === true && (starts[to] as number) - first < maxBytes) to++
    const { buffer } = new Uint8Array(this.#bytes.subarray(first, starts[to]))
    const copies: Uint8Array[] = []
    for (let index = begin; index < to; index++) {
      const start = starts[index] as number
      copies.push(new Uint8Array(buffer, start - first, (starts[index + 1] as number) - start))
    }
    return copies
  }
}
