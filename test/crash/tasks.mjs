// The items of the crash test of `process`: each begins with its index, from which all else follows.

const ITEM_BYTES = 100

export function taskOf(index) {
  const item = Buffer.alloc(ITEM_BYTES, index & 255)
  item.writeUInt32LE(index)
  return item
}

/** @throws {Error} this is no such item */
export function indexOf(item) {
  const index = Buffer.from(item.buffer, item.byteOffset, item.length).readUInt32LE()
  if (!taskOf(index).equals(item)) throw new Error(`item ${index} has other bytes`)
  return index
}

/** Handled, handled at the second attempt, or given up. */
export function fateOf(index) {
  if (index % 47 === 0) return 'dead'
  return index % 13 === 0 ? 'late' : 'well'
}

/** One item in five has no key. */
export function keyOf(index) {
  return index % 5 === 0 ? undefined : index % 7
}
