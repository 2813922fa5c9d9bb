/** Murmur3's finaliser: mixes every bit of 32 into every other. */
function mixed(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/**
 * Fills memory with random-looking bytes that depend on seed and offset only, so that they can be recomputed. The
 * 32-bit little-endian word number `i` of the device is `mixed(low(i) * 0x9e3779b1 + mixed(high(i) + mixed(seed)))`,
 * where `mixed` is Murmur3's finaliser, and low and high are the 32-bit halves of `i`. Not for secrets.
 * @param offset of the memory's first byte on the device; a multiple of 4, as is the memory's length
 */
export function fillRandom(memory: Uint8Array, seed: number, offset: number): void {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength)
  const firstWord = offset / 4
  let high = -1
  let key = 0
  for (let at = 0; at < memory.length; at += 4) {
    const word = firstWord + at / 4
    const wordHigh = Math.floor(word / 2 ** 32)
    if (wordHigh !== high) {
      high = wordHigh
      key = mixed(high + 1 + mixed(seed))
    }
    view.setUint32(at, mixed(Math.imul(word % 2 ** 32, 0x9e3779b1) + key), true)
  }
}
