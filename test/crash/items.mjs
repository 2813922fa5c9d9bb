// The items of the crash test: all of them follow from their index, so that the consumer can verify every
// byte, and everybody knows where in the ring each of them ends.

const MAX_BYTES = 20_000
const POOL_BYTES = 1 << 20
/** Positions of format 2 count items, and have the epoch in which they were pushed above this. */
const EPOCH = 2n ** 53n

/** A 32-bit hash of a number: the finaliser of MurmurHash3. */
function hash(value, seed) {
  let h = (value ^ seed) | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Pseudo-random integers below a bound, the same ones for the same seed. */
export function randomFrom(seed) {
  let calls = 0
  return (below) => hash(calls++, hash(seed, 0x9e3779b9)) % below
}

export class Items {
  #seed
  #format
  #pool
  /** Where in a ring of format 1 each item begins, and last where all of them end. */
  #begins

  constructor(seed, count, format) {
    this.#seed = seed
    this.#format = format
    // A loop over an array of numbers: a side does this dozens of times in a run, each time it is started.
    const words = new Uint32Array(POOL_BYTES / 4)
    for (let index = 0; index < words.length; index++) words[index] = hash(4 * index, seed)
    this.#pool = Buffer.from(words.buffer)
    this.#begins = new Float64Array(count + 1)
    for (let index = 0; index < count; index++) {
      // A record of format 1: the length, the bytes, padding.
      this.#begins[index + 1] = this.#begins[index] + ((this.#length(index) + 7) & ~3)
    }
  }

  get count() {
    return this.#begins.length - 1
  }

  /** An item's bytes. They begin with its index where they are long enough. */
  item(index) {
    const length = this.#length(index)
    const from = hash(index, this.#seed + 1) % (POOL_BYTES - MAX_BYTES)
    const bytes = Buffer.from(this.#pool.subarray(from, from + length))
    if (length >= 4) bytes.writeUInt32LE(index)
    return bytes
  }

  /** The items from an index on: at least one, and no more than come to so many bytes. */
  batch(from, bytes) {
    const items = []
    let index = from
    do items.push(this.item(index++))
    while (index < this.count && this.#begins[index] - this.#begins[from] < bytes)
    return items
  }

  /** How many items end at or before a position, which has to be the end of one. */
  before(position) {
    if (this.#format === 2) return Number(position % EPOCH)
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#begins[middle] < Number(position)) low = middle + 1
      else high = middle
    }
    if (this.#begins[low] !== Number(position)) throw new Error(`no item ends at ${position}`)
    return low
  }

  #length(index) {
    return hash(index, this.#seed) % (MAX_BYTES + 1)
  }
}
