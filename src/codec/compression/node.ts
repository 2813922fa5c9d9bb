import { type Algorithm, wrongSize } from './algorithm.ts'
import { zstdFrameBytes } from './zstd-frame.ts'

interface Options {
  readonly chunkSize?: number
  readonly maxOutputLength?: number
  readonly info?: boolean
  readonly pledgedSrcSize?: number
  readonly params?: Readonly<Record<number, number>>
}

/** The result with `info`. */
interface Inflated {
  readonly buffer: Uint8Array
  /** `bytesWritten`: the number of input bytes consumed. */
  readonly engine: { readonly bytesWritten: number }
}

type Inline<Result> = (bytes: Uint8Array, options: Options) => Result
type Threaded<Result> = (
  bytes: Uint8Array,
  options: Options,
  done: (error: Error | null, result: Result) => void,
) => void

/** The part of `node:zlib` that is used here. */
interface NodeZlib {
  readonly deflateSync: Inline<Uint8Array>
  readonly deflate: Threaded<Uint8Array>
  readonly inflateSync: Inline<Inflated>
  readonly inflate: Threaded<Inflated>
}

/** The part of it that exists from Node 22.15 on. */
interface NodeZstd {
  readonly zstdCompressSync: Inline<Uint8Array>
  readonly zstdCompress: Threaded<Uint8Array>
  readonly zstdDecompressSync: Inline<Inflated>
  readonly zstdDecompress: Threaded<Inflated>
  readonly constants: { readonly ZSTD_d_windowLogMax: number }
}

/** Larger items are processed in a thread: the event loop would stall for milliseconds. */
const INLINE_BYTES = 64 << 10
/** Memory for the claimed size is allocated in pieces: only a stream that really has that size gets all of it. */
const PIECE_BYTES = 64 << 10
const MIN_PIECE_BYTES = 64
/** 8 MiB, as in levels up to 19. Frames with larger windows are refused, because they dictate memory. */
const WINDOW_LOG = 23

/** Looked up at run time, so that codecs import nothing from Node. Bun and Deno have it too. */
function builtin(): object | undefined {
  return globalThis.process?.getBuiltinModule?.('node:zlib')
}

/** zlib of `node:zlib`; undefined in runtimes without it. */
export function nodeZlib(): Algorithm | undefined {
  const found = builtin()
  return found && zlibOf(found as NodeZlib)
}

/** zstd of `node:zlib`; undefined in runtimes without it, and in older ones. */
export function nodeZstd(): Algorithm | undefined {
  const found = builtin()
  return found && 'zstdCompressSync' in found ? zstdOf(found as NodeZstd) : undefined
}

function zlibOf(zlib: NodeZlib): Algorithm {
  return {
    compress: (bytes) => compress(zlib.deflateSync, zlib.deflate, bytes),
    inflate: (bytes, size) => inflate(zlib.inflateSync, zlib.inflate, bytes, size, {}),
  }
}

function zstdOf(zstd: NodeZstd): Algorithm {
  const params = { [zstd.constants.ZSTD_d_windowLogMax]: WINDOW_LOG }
  return {
    compress: (bytes) => compress(zstd.zstdCompressSync, zstd.zstdCompress, bytes),
    inflate: (bytes, size) => {
      // The library continues with further frames, and in some runtimes accepts a truncated one.
      checkEnd(bytes, zstdFrameBytes(bytes))
      return inflate(zstd.zstdDecompressSync, zstd.zstdDecompress, bytes, size, { params })
    },
  }
}

function compress(
  inline: Inline<Uint8Array>,
  threaded: Threaded<Uint8Array>,
  bytes: Uint8Array,
): Uint8Array | Promise<Uint8Array> {
  const options = { pledgedSrcSize: bytes.length }
  if (bytes.length <= INLINE_BYTES) return inline(bytes, options)
  return inThread(threaded, bytes, options)
}

function inflate(
  inline: Inline<Inflated>,
  threaded: Threaded<Inflated>,
  bytes: Uint8Array,
  size: number,
  more: Options,
): Uint8Array | Promise<Uint8Array> {
  const options = {
    ...more,
    info: true,
    maxOutputLength: Math.max(size, 1),
    // One byte more than needed, so that a full piece does not begin another one.
    chunkSize: Math.max(MIN_PIECE_BYTES, Math.min(size + 1, PIECE_BYTES)),
  }
  const check = ({ buffer, engine }: Inflated): Uint8Array => {
    checkEnd(bytes, engine.bytesWritten)
    if (buffer.length !== size) throw wrongSize(size, String(buffer.length))
    // Not a Buffer, so that all runtimes return the same.
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
  }
  const refuse = (error: unknown): never => {
    const code = error instanceof Error ? Reflect.get(error, 'code') : undefined
    throw code === 'ERR_BUFFER_TOO_LARGE' ? wrongSize(size, 'more') : error
  }
  if (Math.max(bytes.length, size) > INLINE_BYTES) {
    return inThread(threaded, bytes, options).then(check, refuse)
  }
  let inflated: Inflated
  try {
    inflated = inline(bytes, options)
  } catch (error) {
    return refuse(error)
  }
  return check(inflated)
}

function inThread<Result>(
  threaded: Threaded<Result>,
  bytes: Uint8Array,
  options: Options,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    threaded(bytes, options, (error, answer) => (error === null ? resolve(answer) : reject(error)))
  })
}

function checkEnd({ length }: Uint8Array, end: number): void {
  if (end === length) return
  throw new Error(
    `expected the stream to end with the item's ${length} bytes, found its end at ${end}`,
  )
}
