import { crc32c } from '../../../checksum/crc32c.ts'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  ENTRY_BYTES,
  frontBytesOf,
  unmasked,
} from './batch.ts'
import { type FlippedBit, flip, locate } from './correct.ts'

/**
 * Corrects a batch's table if exactly one of its bits is flipped.
 * @param stored the batch's blocks as stored, at least those of the table
 * @returns the corrected bytes, and the item that has to confirm the correction
 */
export function guessTable(
  stored: Uint8Array,
  header: BatchHeader,
):
  | { readonly stored: Uint8Array; readonly flipped: FlippedBit; readonly item: number }
  | undefined {
  const table = unmasked(stored, header).subarray(BATCH_HEADER_BYTES, frontBytesOf(header))
  const flipped = locate(BATCH_HEADER_BYTES, table.length, crc32c(table) ^ header.tableCrc)
  if (flipped === undefined) return undefined
  const guess = new Uint8Array(stored)
  flip(guess, flipped)
  // Bytes after the entries are the mask of the only item.
  const item = Math.floor((flipped.at - BATCH_HEADER_BYTES) / ENTRY_BYTES)
  return { stored: guess, flipped, item: Math.min(item, header.itemCount - 1) }
}
