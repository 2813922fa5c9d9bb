/** The Castagnoli polynomial, reflected. */
const POLYNOMIAL = 0x82f63b78
/** Bytes that are taken in one step. */
const SLICES = 8

type Eight<T> = readonly [T, T, T, T, T, T, T, T]

const tables: Eight<Int32Array> = makeTables()

function makeTables(): Eight<Int32Array> {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    return crc
  })
  const all = [first]
  for (let slice = 1; slice < SLICES; slice++) {
    const last = all[slice - 1] ?? first
    all.push(last.map((crc) => (first[crc & 0xff] ?? 0) ^ (crc >>> 8)))
  }
  return all as unknown as Eight<Int32Array>
}

/**
 * CRC-32C (RFC 3720), sliced by 8. To go on where an earlier call ended, give its result as `previous`.
 * @returns an unsigned 32-bit number
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables
  const length = bytes.length
  const whole = length - (length % SLICES)
  let crc = ~previous
  let at = 0
  // The indices are in range by construction, so a missing element is never read as undefined.
  for (; at < whole; at += SLICES) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    crc =
      (t7[crc & 0xff] as number) ^
      (t6[(crc >>> 8) & 0xff] as number) ^
      (t5[(crc >>> 16) & 0xff] as number) ^
      (t4[crc >>> 24] as number) ^
      (t3[bytes[at + 4] as number] as number) ^
      (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^
      (t0[bytes[at + 7] as number] as number)
  }
  for (; at < length; at++) {
    crc = (t0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}
