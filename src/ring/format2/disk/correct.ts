import { crc32c, locateFlippedBit } from '../../../checksum/crc32c.ts'
import { BATCH_HEADER_BYTES, type BatchHeader, CRC_AT, LSN_AT, MAGIC, openHeader } from './batch.ts'
import { isBad } from './block.ts'
import { viewOf } from './bytes.ts'
import type { Layout } from './layout.ts'

// A checksum identifies a single flipped bit, but now and then random bytes look like one too. So the result is a
// guess, which the caller has to confirm independently: by the chain, the table or the items' own checksums. Only bytes
// to which the log leads are corrected, never those that a search found.

/** A flipped bit in a batch. */
export interface FlippedBit {
  /** The byte, counted from the batch's start. */
  readonly at: number
  /** The bit in it; 0 is the lowest. */
  readonly bit: number
}

/** Corrects a batch's header if exactly one of its bits is flipped. */
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

/** The bit in which two four-byte words differ, if there is only one. */
function onlyBit(at: number, difference: number): FlippedBit | undefined {
  const bit = 31 - Math.clz32(difference)
  return difference >>> 0 === 2 ** bit ? { at: at + (bit >> 3), bit: bit & 7 } : undefined
}

/** Locates the flipped bit by the difference of two checksums, in bytes that begin at `from`. */
export function locate(from: number, length: number, difference: number): FlippedBit | undefined {
  const bit = locateFlippedBit(length, difference)
  return bit === undefined ? undefined : { at: from + Math.floor(bit / 8), bit: bit % 8 }
}

/** Flips a bit of a batch. */
export function flip(batch: Uint8Array, { at, bit }: FlippedBit): void {
  batch[at] = (batch[at] as number) ^ (1 << bit)
}
