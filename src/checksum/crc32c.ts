import { type Crc, makeWasmCrc, SLICES } from './crc32c-wasm.ts'

/** The Castagnoli polynomial, reflected. */
const POLYNOMIAL = 0x82f63b78

const tables = makeTables()
const { memory, update } = makeWasmCrc(tables) ?? makePlainCrc(tables[0] as Int32Array)

/** The first table advances a checksum by a byte, each further one by one more zero byte. */
function makeTables(): readonly Int32Array[] {
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
  return all
}

/** The same, byte by byte, where WebAssembly is missing or not allowed. */
function makePlainCrc(table: Int32Array): Crc {
  const memory = new Uint8Array(1 << 14)
  return {
    memory,
    update: (at, end, crc) => {
      let updated = crc
      for (let index = at; index < end; index++) {
        // The indices are in range by construction, so a missing element is never read as undefined.
        const byte = memory[index] as number
        updated = (table[(updated ^ byte) & 0xff] as number) ^ (updated >>> 8)
      }
      return updated
    },
  }
}

/**
 * CRC-32C (RFC 3720). To continue where an earlier call ended, give its result as `previous`.
 * @returns an unsigned 32-bit number
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous
  for (let at = 0; at < bytes.length; at += memory.length) {
    const isWhole = bytes.length <= memory.length
    const part = isWhole ? bytes : bytes.subarray(at, at + memory.length)
    memory.set(part)
    crc = update(0, part.length, crc)
  }
  return ~crc >>> 0
}

/**
 * The CRC-32C of each of several adjacent pieces in `bytes`, from `start` on. Faster than separate calls if they are
 * small.
 * @param before called before bytes are read, with their range. If it touches them, they are in the processor's cache
 *   then
 */
export function crc32cEach(
  bytes: Uint8Array,
  start: number,
  lengths: ArrayLike<number>,
  before?: (from: number, to: number) => void,
): ArrayLike<number> {
  const checksums = new Uint32Array(lengths.length)
  let at = start
  let loadedFrom = start
  let loadedTo = start
  for (let index = 0; index < lengths.length; index++) {
    const end = at + (lengths[index] as number)
    let crc = -1
    while (at < end) {
      // A piece processed in two steps takes longer.
      if (end > loadedTo) {
        loadedFrom = at
        loadedTo = Math.min(at + memory.length, bytes.length)
        before?.(loadedFrom, loadedTo)
        memory.set(bytes.subarray(loadedFrom, loadedTo))
      }
      const to = Math.min(end, loadedTo)
      crc = update(at - loadedFrom, to - loadedFrom, crc)
      at = to
    }
    checksums[index] = ~crc
  }
  return checksums
}

/**
 * Locates the single flipped bit that explains a difference between checksums.
 * @param length number of checksummed bytes
 * @param difference the checksum of the bytes found, XORed with the expected one
 * @returns the bit, counted from the first byte's lowest; undefined if no single bit explains the difference
 */
export function locateFlippedBit(length: number, difference: number): number | undefined {
  // A flipped bit leaves the polynomial in the register, and each later bit advances it one step. So step back.
  let register = difference | 0
  for (let bit = 8 * length - 1; bit >= 0; bit--) {
    if (register === (POLYNOMIAL | 0)) return bit
    register = register < 0 ? ((register ^ POLYNOMIAL) << 1) | 1 : register << 1
  }
  return undefined
}
