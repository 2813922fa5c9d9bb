import { joined } from '../wrapped.ts'
import { type Algorithm, wrongSize } from './algorithm.ts'

/** A stream may decompress a whole piece in one step, to 1,032 times its size. */
const PIECE_BYTES = 1 << 10

/**
 * zlib with web streams, for runtimes without `node:zlib`. These streams refuse truncated input and trailing bytes.
 * Those of older versions of Node and Deno do not, but these versions have `node:zlib`.
 */
export const webZlib: Algorithm = {
  compress: (bytes) => through(new CompressionStream('deflate'), bytes, Number.POSITIVE_INFINITY),

  async inflate(bytes, size) {
    const inflated = await through(new DecompressionStream('deflate'), bytes, size)
    if (inflated.length === size) return inflated
    throw wrongSize(size, inflated.length > size ? 'more' : String(inflated.length))
  },
}

/** Collects the output of a stream, up to the piece that takes it beyond `enough`. */
async function through(
  stream: CompressionStream | DecompressionStream,
  bytes: Uint8Array,
  enough: number,
): Promise<Uint8Array> {
  const writing = write(stream.writable.getWriter(), bytes)
  writing.catch(() => undefined) // Reading fails too.
  const reader = stream.readable.getReader()
  const parts: Uint8Array[] = []
  let length = 0
  while (length <= enough) {
    const { done, value } = await reader.read()
    if (done) return joined(...parts)
    parts.push(value)
    length += value.length
  }
  await reader.cancel()
  return joined(...parts)
}

async function write(
  writer: WritableStreamDefaultWriter<Uint8Array>,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    await writer.write(bytes.subarray(at, at + PIECE_BYTES))
  }
  await writer.close()
}
