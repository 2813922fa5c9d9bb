// Identifies format 1, for code that loads the rest only for a ring of format 1.

/** The first bytes of sector 0. Source: FORMAT.md, format 1. */
export const MAGIC = 'mirage shared-block-device 1.0'

/** Bytes of a record's length field. Records are padded to a multiple of it. */
export const HEADER_BYTES = 4

/** True if sector 0 is that of a format 1 ring. */
export function hasMagic(sector: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(sector.subarray(0, MAGIC.length)) === MAGIC
}
