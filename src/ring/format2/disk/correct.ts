import { crc32c, locateFlippedBit } from '../../../checksum/crc32c.ts'
import { BATCH_HEADER_BYTES, type BatchHeader, CRC_AT, LSN_AT, MAGIC, openHeader } from './batch.ts'
import { isBad } from './block.ts'
import { viewOf } from './bytes.ts'
import type { Layout } from './layout.ts'

// A checksum tells which single bit was flipped, but now and then it does so of random bytes too. So the result is a guess, which the
// caller has to confirm by something independent: the chain, the table, or the items' own checksums. It is only made where the log
// leads, never on what a search found.

/** A flipped bit of a batch. */
export interface FlippedBit {
  /** The byte, counted from the batch's start. */
  readonly at: number
  /** The bit in it; 0 is the lowest. */
  readonly bit: number
}

/** The header of a batch if one of its bits was flipped. */
export function guessHeader(
  block: Uint8Array,
  lsn: number,
  uuid: number,
  layout: Layout,
): { readonly header: BatchHeader; readonly flipped: FlippedBit } | undefined {
  const flipped = flippedInHeader(block)
  if (flipped === undefined) return undefined
  const guess = new Uint8Array(block)
  flip(guess, flipped)
  const header = openHeader(guess, lsn, uuid, layout)
  return isBad(header) ? undefined : { header, flipped }
}

function flippedInHeader(block: Uint8Array): FlippedBit | undefined {
  const view = viewOf(block)
  const magic = view.getUint32(0, true) ^ MAGIC
  if (magic !== 0) return onlyBit(0, magic)
  const difference =
    crc32c(block.subarray(LSN_AT, BATCH_HEADER_BYTES)) ^ view.getUint32(CRC_AT, true)
  if (difference === 0) return undefined
  const inChecksum = onlyBit(CRC_AT, difference)
  return inChecksum ?? locate(LSN_AT, BATCH_HEADER_BYTES - LSN_AT, difference)
}

/** The bit in which two words of four bytes differ, if it is only one. */
function onlyBit(at: number, difference: number): FlippedBit | undefined {
  const bit = 31 - Math.clz32(difference)
  return difference >>> 0 === 2 ** bit ? { at: at + (bit >> 3), bit: bit & 7 } : undefined
}

/** The bit that makes a checksum differ, in bytes that begin at `from`. */
export function locate(from: number, length: number, difference: number): FlippedBit | undefined {
  const bit = locateFlippedBit(length, difference)
  return bit === undefined ? undefined : { at: from + Math.floor(bit / 8), bit: bit % 8 }
}

/** Flips a bit of a batch. */
export function flip(batch: Uint8Array, { at, bit }: FlippedBit): void {
  batch[at] = (batch[at] as number) ^ (1 << bit)
}
