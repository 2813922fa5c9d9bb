/** Bytes that arrived, to be taken in pieces of any length. */
export class ByteQueue {
  #pieces: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#length += bytes.length
  }

  /** The next `count` bytes, which must have arrived. */
  take(length: number): Uint8Array {
    const taken = new Uint8Array(length)
    for (let at = 0; at < length; ) {
      const first = this.#pieces[0] as Uint8Array
      const part = first.subarray(0, length - at)
      taken.set(part, at)
      at += part.length
      if (part.length === first.length) this.#pieces.shift()
      else this.#pieces[0] = first.subarray(part.length)
    }
    this.#length -= length
    return taken
  }
}

/** A number of that many bytes; or bytes as they are. */
export type Field = readonly [bytes: 2 | 4 | 8, value: number] | Uint8Array

/** Fields one after the other, big-endian. */
export function pack(...fields: readonly Field[]): Uint8Array {
  const lengths = fields.map((field) => (field instanceof Uint8Array ? field.length : field[0]))
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  const view = viewOf(bytes)
  let at = 0
  fields.forEach((field, index) => {
    if (field instanceof Uint8Array) bytes.set(field, at)
    else if (field[0] === 2) view.setUint16(at, field[1])
    else if (field[0] === 4) view.setUint32(at, field[1])
    else view.setBigUint64(at, BigInt(field[1]))
    at += lengths[index] as number
  })
  return bytes
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
