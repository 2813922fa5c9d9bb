import {
  CodecError,
  type CodecErrorCode,
  isCodecError,
  isRingError,
  type RingError,
} from '../errors.ts'
import type { Position } from '../position.ts'
import { allOwn, type OwnItems, ownItems } from '../ring/shared/own-items.ts'
import { formatPosition } from '../ring/shared/position-text.ts'
import { errorText } from '../util/error-text.ts'
import { shown } from '../util/options.ts'

/**
 * Encodes items to bytes and decodes them. The popped type (`Out`) may differ from the pushed one (`In`), if a schema
 * transforms it.
 */
export interface Codec<Out, In = Out> {
  /** Named in error messages. */
  readonly name: string
  /**
   * Called before the push returns. Its result is copied, so it may be the item's own memory.
   * @param outer bytes that codecs around this one store beside the item: one that authenticates covers them too, one
   *   that wraps another passes them on
   */
  encode(item: In, outer?: Uint8Array): Uint8Array | Promise<Uint8Array>
  /**
   * Receives bytes that it may keep. Throws, or rejects, if they are not an item.
   * @param outer as for `encode`
   */
  decode(bytes: Uint8Array, outer?: Uint8Array): Out | Promise<Out>
}

/**
 * Copies a codec's result, which may be the caller's memory, or memory that the codec reuses.
 * @throws {RingError} the ring refuses the item, which is not the codec's fault
 */
type Keep = (bytes: Uint8Array) => Uint8Array

/**
 * Checks the items of a push: a text in their place would be pushed as its characters, one item each.
 * @throws {TypeError} they are no array
 */
export function checkItems(items: unknown): void {
  if (Array.isArray(items)) return
  const found = typeof items === 'string' ? 'a text' : shown(items)
  throw new TypeError(`pushMany takes an array of items, not ${found}; use push`)
}

/**
 * Encodes items; synchronously if the codec does.
 * @param own receives the items, and is returned
 * @throws {CodecError} `CODEC_ENCODE`, or the codec's own code
 * @throws {RingError} as `keep`
 */
export function encodeItems<In>(
  codec: Codec<unknown, In>,
  items: readonly In[],
  keep: Keep,
  own: OwnItems = ownItems(),
): OwnItems | Promise<OwnItems> {
  const encoded: (Uint8Array | Promise<Uint8Array>)[] = own
  let isReady = true
  try {
    for (const item of items) {
      const bytes = encodeItem(codec, item, keep)
      isReady &&= bytes instanceof Uint8Array
      encoded.push(bytes)
    }
  } catch (error) {
    // The call rejects, so no caller awaits the earlier ones.
    for (const bytes of encoded) if (bytes instanceof Promise) bytes.catch(() => undefined)
    throw error
  }
  return isReady ? own : allOwn(encoded)
}

/**
 * Encodes one item.
 * @throws {CodecError} `CODEC_ENCODE`, or the codec's own code; thrown or as a rejection
 * @throws {RingError} as `keep`, in the same way
 */
export function encodeItem<In>(
  codec: Codec<unknown, In>,
  item: In,
  keep: Keep,
): Uint8Array | Promise<Uint8Array> {
  try {
    const bytes = codec.encode(item)
    if (!(bytes instanceof Promise)) return keep(checkBytes(bytes))
    return bytes
      .then((made) => keep(checkBytes(made)))
      .catch((cause: unknown) => {
        throw encodeError(codec.name, cause)
      })
  } catch (cause) {
    throw encodeError(codec.name, cause)
  }
}

function checkBytes(bytes: Uint8Array): Uint8Array {
  if (bytes instanceof Uint8Array) return bytes
  throw new TypeError(`expected a Uint8Array, found ${typeof bytes}`)
}

function encodeError(codec: string, cause: unknown): CodecError | RingError {
  if (isRingError(cause)) return cause
  const message = `the item cannot be encoded as ${codec}: ${errorText(cause)}`
  return new CodecError(codeOf(cause, 'CODEC_ENCODE'), message, { codec }, cause)
}

/**
 * Decodes the item that ends at `position`; synchronously if the codec does.
 * @throws {CodecError} `CODEC_DECODE`, or the codec's own code, with the position and the bytes; thrown or as a
 *   rejection
 */
export function decodeItem<Out>(
  codec: Codec<Out, never>,
  bytes: Uint8Array,
  position: Position,
  format: 1 | 2,
): Out | Promise<Out> {
  const fail = (cause: unknown): never => {
    const shown = formatPosition(position, format)
    throw new CodecError(
      codeOf(cause, 'CODEC_DECODE'),
      `the item of ${bytes.length} bytes that ends at position ${shown} is not ${codec.name}: ` +
        `${errorText(cause)}; acknowledge it, or advance to that position, to skip it`,
      { codec: codec.name, position: shown, bytes },
      cause,
    )
  }
  try {
    const decoded = codec.decode(bytes)
    return decoded instanceof Promise ? decoded.catch(fail) : decoded
  } catch (cause) {
    return fail(cause)
  }
}

/** A codec's own code, or the general one. */
function codeOf(cause: unknown, general: CodecErrorCode): CodecErrorCode {
  return isCodecError(cause) ? cause.code : general
}
