import { crc32c } from '../../src/checksum/crc32c.ts'
import { CONSUMER, encodePointer, PRODUCER } from '../../src/ring/format1/pointer.ts'
import { viewOf } from '../../src/ring/format2/disk/bytes.ts'
import type { Random } from '../../src/sim/world/random.ts'
import type { Base } from './bases.ts'
import { type Image, type Places, placesOf, type Range } from './damage.ts'

// Where format 2 (FORMAT.md) has what a forger must know.
const METADATA_CRC_AT = 8
const GENERATION_AT = 40
const BATCH_MAGIC = 0x42524253
const BATCH_CRC_AT = 4
const BATCH_HEADER_BYTES = 80
const BATCH_RECORDS_AT = 64
const TABLE_CRC_AT = 72
const TABLE_ENTRY_BYTES = 8
/** Where the fields of metadata blocks are; those of epochs lie after. */
const FIELD_BYTES = 448

/**
 * Writes what cannot be into an image, with checksums that hold: as a bug or an attacker does. Format 1 has none, but a
 * text that repeats the pointers.
 */
export function forge(base: Base, random: Random): Image {
  const bytes = base.image.slice()
  const places = placesOf(base.shape, bytes)
  const forger = new Forger(bytes, places, random)
  const damage: string[] = []
  for (let times = random.pick([1, 1, 2, 3]); times > 0; times--) {
    if (base.shape.format === 1) damage.push(forger.pointer())
    else damage.push(random.chance(0.5) ? forger.metadata() : forger.batch())
  }
  return { base, bytes, damage, sealed: true }
}

class Forger {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #places: Places
  readonly #random: Random

  constructor(bytes: Uint8Array, places: Places, random: Random) {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#places = places
    this.#random = random
  }

  /** Format 1: moves a pointer, or changes a length somewhere in the records. */
  pointer(): string {
    const random = this.#random
    if (random.chance(0.3)) {
      const { offset, bytes } = random.pick(this.#places.data)
      return this.#field(offset + 4 * random.below(bytes / 4), 4)
    }
    const kind = random.pick([PRODUCER, CONSUMER])
    const { offset, bytes } = this.#places.slots[kind.sector - 1] as Range
    const old = this.#view.getBigInt64(offset, true)
    const capacity = BigInt(this.#places.data.length * bytes)
    const moved = old + random.pick([4n, -4n, 1n, 512n, capacity, -capacity, 4n * capacity])
    const to = random.pick([moved, moved, moved, 0n, 2n ** 53n, 2n ** 61n, 2n ** 62n - 4n])
    const pointer = { offset: BigInt.asIntN(64, to), flag: random.chance(0.1) }
    encodePointer(this.#bytes.subarray(offset, offset + bytes), kind, pointer, 'forged', 'forger')
    return `${kind.role} at ${to}`
  }

  /** Format 2: changes a field of a superblock or slot, mostly so that the slot counts. */
  metadata(): string {
    const random = this.#random
    const { slots, superblocks, leases } = this.#places
    const block = random.pick(random.chance(0.8) ? slots : [...superblocks, ...leases])
    const width = random.pick([1, 2, 4, 8, 8])
    const at = random.chance(0.15)
      ? block.offset + 12 + random.below(52)
      : block.offset + 64 + width * random.below(Math.floor((FIELD_BYTES - 64) / width))
    const what = this.#field(at, width)
    if (random.chance(0.7)) {
      const generation = this.#view.getBigUint64(block.offset + GENERATION_AT, true)
      const more = BigInt.asUintN(64, generation + 2n)
      this.#view.setBigUint64(block.offset + GENERATION_AT, more, true)
    }
    this.#sealMetadata(block)
    return what
  }

  /** Format 2: changes a field of a batch, and mostly what the next batch and the slots repeat of it. */
  batch(): string {
    const random = this.#random
    const batches = this.#places.data.filter((block) => this.#isBatch(block))
    if (batches.length === 0) return 'no batch'
    const batch = random.pick(batches)
    const table = batch.offset + BATCH_HEADER_BYTES
    const { records, end } = this.#table(batch)
    const inTable = records > 0 && end <= batch.offset + batch.bytes && random.chance(0.3)
    const width = random.pick([4, 4, 8])
    const at = inTable
      ? table + 4 * random.below(2 * records)
      : batch.offset + 8 + 4 * random.below((BATCH_HEADER_BYTES - 8) / 4)
    const what = this.#field(at, inTable ? 4 : Math.min(width, table - at))
    this.#sealBatch(batch, random.chance(0.8))
    return what
  }

  /** Puts a number of interest into a field. */
  #field(at: number, width: number): string {
    const random = this.#random
    const mask = 2n ** BigInt(8 * width) - 1n
    let old = 0n
    for (let byte = width - 1; byte >= 0; byte--) {
      old = old * 256n + BigInt(this.#bytes[at + byte] ?? 0)
    }
    const near = old + random.pick([1n, -1n, 2n, -2n, 8n, 16n, -16n, 512n])
    const edge = random.pick([
      0n,
      1n,
      mask,
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 32n,
      2n ** 63n,
      2n ** 48n,
    ])
    const any = BigInt(random.next()) * 2n ** BigInt(random.below(33))
    const value = random.pick([near, near, edge, any]) & mask
    for (let byte = 0; byte < width; byte++) {
      this.#bytes[at + byte] = Number((value >> BigInt(8 * byte)) & 255n)
    }
    return `${width} bytes at ${at}: ${old} is now ${value}`
  }

  #isBatch({ offset }: Range): boolean {
    return this.#view.getUint32(offset, true) === BATCH_MAGIC
  }

  #table({ offset }: Range): { readonly records: number; readonly end: number } {
    const records = this.#view.getUint32(offset + BATCH_RECORDS_AT, true)
    return { records, end: offset + BATCH_HEADER_BYTES + records * TABLE_ENTRY_BYTES }
  }

  #sealMetadata({ offset, bytes }: Range): void {
    this.#view.setUint32(offset + METADATA_CRC_AT, 0, true)
    const crc = crc32c(this.#bytes.subarray(offset, offset + bytes))
    this.#view.setUint32(offset + METADATA_CRC_AT, crc, true)
  }

  /** With `chain`, what repeats the batch's checksum is made to repeat the new one. */
  #sealBatch(batch: Range, chain: boolean): void {
    const { offset } = batch
    const { end } = this.#table(batch)
    // A table that goes on in other blocks may lie around the end of the log: that one is left broken.
    if (end <= this.#bytes.length) {
      const table = this.#bytes.subarray(offset + BATCH_HEADER_BYTES, end)
      this.#view.setUint32(offset + TABLE_CRC_AT, crc32c(table), true)
    }
    const old = this.#view.getUint32(offset + BATCH_CRC_AT, true)
    const crc = crc32c(this.#bytes.subarray(offset + 8, offset + BATCH_HEADER_BYTES))
    this.#view.setUint32(offset + BATCH_CRC_AT, crc, true)
    if (!chain || old === crc || old === 0) return
    for (const block of this.#places.slots) {
      if (this.#replace(block.offset + 64, FIELD_BYTES - 64, old, crc)) this.#sealMetadata(block)
    }
    for (const block of this.#places.data) {
      if (!this.#isBatch(block) || block === batch) continue
      if (this.#replace(block.offset + 8, BATCH_HEADER_BYTES - 8, old, crc)) {
        this.#sealBatch(block, true)
      }
    }
  }

  /** Replaces a checksum wherever it stands. */
  #replace(from: number, length: number, old: number, by: number): boolean {
    let found = false
    for (let at = from; at < from + length; at += 4) {
      if (this.#view.getUint32(at, true) !== old) continue
      this.#view.setUint32(at, by, true)
      found = true
    }
    return found
  }
}
