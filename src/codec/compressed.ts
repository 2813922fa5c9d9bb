import { CodecError } from '../errors.ts'
import { DEFAULT_MAX_ITEM_BYTES } from '../ring/shared/item-limits.ts'
import { checkWhole } from '../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { after } from '../util/then.ts'
import type { Codec } from './codec.ts'
import type { Algorithm } from './compression/algorithm.ts'
import { nodeZlib, nodeZstd } from './compression/node.ts'
import { webZlib } from './compression/web.ts'
import { FIRST, joined, littleEndian, WrappedReader } from './wrapped.ts'

/** Options of {@link compressed}. */
export interface CompressedOptions {
  /**
   * `zlib` runs everywhere. `zstd` is faster and compresses better, but needs Node 22.15 or later, Bun or Deno on both
   * sides. Either codec decompresses items of the other. Default `zlib`.
   */
  readonly algorithm?: 'zlib' | 'zstd'
  /** The largest uncompressed item, for pushes and for pops, in bytes. Default 16 MiB. */
  readonly maxBytes?: number
}

const KINDS: OptionKinds<CompressedOptions> = {
  algorithm: { oneOf: ['zlib', 'zstd'] },
  maxBytes: 'number',
}

/** The second byte. */
const STORED = 0
const CODES = { zlib: 1, zstd: 2 } as const
const START_BYTES = 2
/** Then follows the size of the item. */
const SIZE_BYTES = 4
const MAX_BYTES = 0xffff_ffff
/** Smaller items do not shrink by more than the wrapper adds. */
const MIN_BYTES = 32

type Algorithms = Readonly<Record<keyof typeof CODES, Algorithm | undefined>>

/**
 * Compresses items. Items that do not shrink are stored behind a two-byte prefix. FORMAT.md specifies the bytes.
 *
 * An item larger than `maxBytes` is refused with `CODEC_TOO_LARGE`, when it is pushed and when it is popped, before any
 * memory is allocated for it. Use `compressed` inside `encrypted`, not around it: encrypted bytes do not shrink.
 * @throws {TypeError} an option is out of range, or this runtime lacks the algorithm
 * @throws {RangeError} `maxBytes` is not a whole number from 1 to 2^32 - 1
 */
export function compressed<Out, In = Out>(
  codec: Codec<Out, In>,
  options: CompressedOptions = {},
): Codec<Out, In> {
  checkOptions('compressed', options, KINDS)
  const { algorithm: name = 'zlib', maxBytes = DEFAULT_MAX_ITEM_BYTES } = options
  checkWhole({ maxBytes }, 1, MAX_BYTES)
  const algorithms: Algorithms = { zlib: nodeZlib() ?? webZlib, zstd: nodeZstd() }
  const algorithm = algorithms[name]
  if (algorithm === undefined) {
    throw new TypeError(
      `algorithm: this runtime has no ${name} (node:zlib has it from Node 22.15 on); zlib runs everywhere`,
    )
  }
  return {
    name: `compressed ${codec.name}`,
    encode: (item, outer) =>
      after(codec.encode(item, outer), (bytes) => {
        checkSize(bytes.length, maxBytes)
        // Copied, because the caller may change the item while another thread compresses it.
        const stored = joined(Uint8Array.of(FIRST.compressed, STORED), bytes)
        if (bytes.length < MIN_BYTES) return stored
        return after(algorithm.compress(stored.subarray(START_BYTES)), (shrunk) => {
          const size = littleEndian(bytes.length, SIZE_BYTES)
          const start = Uint8Array.of(FIRST.compressed, CODES[name])
          return size.length + shrunk.length < bytes.length ? joined(start, size, shrunk) : stored
        })
      }),
    decode: (bytes, outer) =>
      after(inflated(bytes, maxBytes, algorithms), (item) => codec.decode(item, outer)),
  }
}

function inflated(
  bytes: Uint8Array,
  maxBytes: number,
  algorithms: Algorithms,
): Uint8Array | Promise<Uint8Array> {
  const reader = new WrappedReader(bytes, 'compressed', [STORED, ...Object.values(CODES)])
  const { version } = reader
  if (version === STORED) {
    checkSize(reader.rest.length, maxBytes)
    return reader.rest
  }
  const size = reader.u32('size')
  checkSize(size, maxBytes)
  const name = version === CODES.zlib ? 'zlib' : 'zstd'
  const algorithm = algorithms[name]
  if (algorithm !== undefined) return algorithm.inflate(reader.rest, size)
  throw new CodecError(
    'CODEC_UNSUPPORTED',
    `the item was compressed with ${name}, which this runtime lacks (node:zlib has it from Node 22.15 on)`,
    { codec: 'compressed' },
  )
}

function checkSize(size: number, maxBytes: number): void {
  if (size <= maxBytes) return
  throw new CodecError(
    'CODEC_TOO_LARGE',
    `the uncompressed item has ${size} bytes; the limit is ${maxBytes} (maxBytes)`,
    { codec: 'compressed' },
  )
}
