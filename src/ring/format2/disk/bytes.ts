/** A view for reading and writing fields. Format 2 is little-endian throughout. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Writes an unsigned 64-bit field from a safe integer. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

/** The latest time that can be stored: the year 10889. */
export const MAX_TIME: number = 2 ** 48

/** Writes a time in milliseconds since 1970, clamped: a wrong clock must not make the block unreadable. */
export function putTime(view: DataView, at: number, ms: number): void {
  putU64(view, at, Math.min(MAX_TIME, Math.max(0, Math.floor(ms) || 0)))
}

/** Reads an unsigned 64-bit field; NaN if it is not a safe integer. */
export function getU64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
  return Number.isSafeInteger(value) ? value : Number.NaN
}

const MAX_ROTTEN_BYTES = 4

/**
 * True if a block is all zeroes except for a few rotten bits: a lease block that was never used. Bit rot must not make
 * a ring unusable, and a record has far more non-zero bytes than that.
 */
export function isBlank(block: Uint8Array): boolean {
  let rotten = 0
  for (const byte of block) if (byte !== 0 && ++rotten > MAX_ROTTEN_BYTES) return false
  return true
}
