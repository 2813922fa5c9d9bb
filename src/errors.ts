/**
 * Faults are thrown as {@link BlockError}, {@link RingError} or {@link CodecError}, and as the `WorkError` of handlers,
 * the `JournalError` of a journal or the `PartialPushError` of pushes into several rings; expected outcomes (full,
 * empty, suspended) are values; misuse is a `TypeError` or `RangeError` before any I/O.
 *
 * Codes are promises (they change only with the major version); the wording of messages is not.
 */

/** Recognises errors across copies of the package. On the prototypes, so that it costs nothing per error. */
const brand: unique symbol = Symbol.for('shared-block-ring.error')

/** The base of every error in this package: a stable `code`, and `details` that locate the fault. */
export abstract class CodedError<Code extends string, Details extends object> extends Error {
  /** Stable; for programs. */
  readonly code: Code
  /** Plain values: the value expected, the value found, and its place. */
  readonly details: Details

  constructor(code: Code, message: string, details: Details, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
  }
}

/**
 * The codes of `BlockError` that this package's devices throw, and that rings, tools and commands handle. A back-end
 * throws the one that fits. A fault of its own kind may have its own code, which is handled like `BLOCK_IO`.
 */
export const BLOCK_ERROR_CODES = [
  /** `disconnect` was called. Thrown by `BaseBlockDevice`. */
  'BLOCK_DISCONNECTED',
  /** The device accepts no writes. Nothing was written, and a ring's handle remains usable. */
  'BLOCK_READ_ONLY',
  /**
   * The device does not support this. Thrown by `BaseBlockDevice` according to `capabilities`; see `unsupportedError`.
   */
  'BLOCK_UNSUPPORTED',
  /** Another process has the role, or the whole device; `details.holder` names it. See `claimedError`. */
  'BLOCK_CLAIMED',
  /**
   * A request failed. A read may succeed later; tools read around it. After a write, the content of the device is
   * unknown.
   */
  'BLOCK_IO',
  /** The device could not be opened. */
  'BLOCK_OPEN',
  /** The storage has shut this host out, most likely because another host took over. */
  'BLOCK_FENCED',
  /** The connection was lost before the reply arrived. */
  'BLOCK_LOST',
  /** The reply did not arrive in time. */
  'BLOCK_TIMEOUT',
  /** The server broke the protocol. */
  'BLOCK_PROTOCOL',
  /** The address is invalid. */
  'BLOCK_URI',
  /** Something already exists where the device should be created. */
  'BLOCK_EXISTS',
  /** The file was removed or replaced at its path: reopen the device. */
  'BLOCK_REPLACED',
  /** The device ends before the request does, because it has shrunk. */
  'BLOCK_SHORT',
] as const

/**
 * Codes of {@link BlockError}: those of {@link BLOCK_ERROR_CODES}. The union is open, like Mirage's `private [>
 * error]`, so that a back-end can add its own.
 */
export type BlockErrorCode = (typeof BLOCK_ERROR_CODES)[number] | (string & {})

/** The place where a device failed. */
export interface BlockErrorDetails {
  /** The device's `name`. */
  readonly device: string
  /** First sector of the request, if it had one. */
  readonly sector?: number
  /** Length of the request in sectors, if it had one. */
  readonly sectors?: number
  /** The holder of the role, for `BLOCK_CLAIMED`. */
  readonly holder?: string
}

/**
 * A request to a device failed.
 *
 * @example
 * ```ts
 * import { isBlockError } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 *
 * const device = new MemoryBlockDevice({ sizeSectors: 8, mode: 'read-only' })
 * try {
 *   await device.write(0, [new Uint8Array(512)])
 * } catch (error) {
 *   if (!isBlockError(error)) throw error
 *   console.log(error.code) // BLOCK_READ_ONLY
 * }
 * ```
 */
export class BlockError<Code extends string = BlockErrorCode> extends CodedError<
  Code,
  BlockErrorDetails
> {
  override readonly name = 'BlockError'
}

/** Codes of {@link RingError}. */
export type RingErrorCode =
  /** There is no ring: neither a guard of format 2 nor the magic of format 1. To `Pool.open`: there is no pool. */
  | 'RING_NOT_INITIALISED'
  /** The device holds something else; nothing was written. */
  | 'RING_NOT_BLANK'
  /** The ring was created with other options than `createIfMissing` has; nothing was changed. */
  | 'RING_OTHER_OPTIONS'
  /**
   * The ring was created with another sector size than the device was opened with (format 2: its blocks are smaller).
   */
  | 'RING_SECTOR_SIZE'
  /** Format 1: the file or export ends within a sector, so the number of sectors in the ring is unknown. */
  | 'RING_PARTIAL_SECTOR'
  /** The device has too few sectors for a ring, or is smaller than when its ring was created. */
  | 'RING_DEVICE_TOO_SMALL'
  /** A field on the device is invalid; nothing was changed. */
  | 'RING_CORRUPT'
  /** Committed items are damaged; see `ConsumerOptions.onDamage`. */
  | 'RING_DAMAGED'
  /** A role's slot or pointer sector changed on every read. */
  | 'RING_UNSTABLE'
  /** Another producer or consumer has written where only this one may write. */
  | 'RING_ROLE_CONFLICT'
  /** The ring's counts are exhausted; nothing was written. Continue in a new ring. */
  | 'RING_EXHAUSTED'
  /** The item is larger than the ring can hold, or than the reader's limit. */
  | 'RING_ITEM_TOO_LARGE'
  /** The ring uses features that this version does not know. */
  | 'RING_UNSUPPORTED'
  /** More pushes are queued than the writer's limit allows. */
  | 'RING_OVERLOADED'
  /**
   * There is no room to commit the pushed items, because the storage lost the consumer's cursor: advance again later.
   */
  | 'RING_NO_ROOM'
  /** The device holds a pool of rings: open one of them. */
  | 'RING_IS_POOL'
  /** The pool has no ring of that name. */
  | 'RING_NOT_FOUND'
  /** The pool has a ring of that name already. */
  | 'RING_EXISTS'
  /** The ring was removed from its pool since its device was opened; nothing was written. */
  | 'RING_REMOVED'
  /** The pool has no room for the ring. */
  | 'RING_POOL_FULL'
  /** The ring holds items, or cannot be read; it was not removed. */
  | 'RING_NOT_EMPTY'
  /** Another host holds the role. */
  | 'RING_LEASED'
  /** This host no longer holds the role, or cannot be sure of it. */
  | 'RING_LEASE_LOST'
  /** The handle was closed. */
  | 'RING_CLOSED'
  /** A write or flush failed, so the content of the device is unknown: attach again. */
  | 'RING_POISONED'
  /**
   * The worker that held the ring for this page has ended. A push without an answer may be in the ring. Connect again.
   */
  | 'RING_WORKER_LOST'

/**
 * The value that a ring expected, the value found, and its place. The code determines which fields are present: {@link
 * RingErrorDetailsOf}.
 */
export interface RingErrorDetails {
  /** The device's `name`. */
  readonly device?: string
  /** Sector on the device. */
  readonly sector?: number
  /** Field in that sector, or `length` of a record. */
  readonly field?: string
  /** Position in the ring, of a record or after the damage, as text that `parsePosition` parses. */
  readonly position?: string
  /** Offset on the device, in bytes. */
  readonly offset?: number
  /** The number of damaged items. */
  readonly items?: number
  /** The range of these, counted from 1. */
  readonly numbers?: {
    /** The number of the first one. */
    readonly first: number
    /** The number of the last one. */
    readonly last: number
  }
  /** The damaged structure, such as `item` or `table`. */
  readonly structure?: string
  /** Describes the damage, in the words of `verifyRing`. */
  readonly problem?: string
  /** The number of earlier items that were overwritten, in a ring that overwrites the oldest; absent if none were. */
  readonly missed?: number
  /** The holder of the role, for `RING_LEASED`. */
  readonly holder?: string
  /** The value expected, as text. */
  readonly expected?: string
  /** The value found, as text. */
  readonly found?: string
}

/** The details of a {@link RingError} with this code. For some codes, more of them are always present. */
export type RingErrorDetailsOf<Code extends RingErrorCode> = RingErrorDetails &
  (Code extends 'RING_DAMAGED'
    ? Required<
        Pick<
          RingErrorDetails,
          'device' | 'offset' | 'position' | 'items' | 'numbers' | 'structure' | 'problem'
        >
      >
    : Code extends 'RING_LEASED'
      ? Required<Pick<RingErrorDetails, 'device' | 'holder'>>
      : unknown)

/**
 * A ring operation failed.
 *
 * @example
 * ```ts
 * import { isRingError, RingReader } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 *
 * try {
 *   await RingReader.open(new MemoryBlockDevice({ sizeSectors: 1024 }))
 * } catch (error) {
 *   if (!isRingError(error)) throw error
 *   console.log(error.code) // RING_NOT_INITIALISED
 * }
 * ```
 */
export class RingError<Code extends RingErrorCode = RingErrorCode> extends CodedError<
  Code,
  RingErrorDetailsOf<Code>
> {
  override readonly name = 'RingError'
}

/** A {@link RingError} of any code. Comparing its `code` narrows its `details`. */
export type AnyRingError = { [Code in RingErrorCode]: RingError<Code> }[RingErrorCode]

/** Identifies the item that did not encode or decode. The position is text, as in {@link RingErrorDetails}. */
export interface CodecErrorDetails {
  /** The codec's name. */
  readonly codec: string
  /** The position after the item: acknowledge it to skip the item. Absent if encoding failed. */
  readonly position?: string
  /** The item's bytes in the ring. Absent if encoding failed. */
  readonly bytes?: Uint8Array
}

/**
 * Codes of {@link CodecError}. A codec may throw a `CodecError` itself to choose the code; its other errors become one
 * of the first two.
 */
export type CodecErrorCode =
  /** The item does not encode. */
  | 'CODEC_ENCODE'
  /** The bytes are not an item. */
  | 'CODEC_DECODE'
  /** The bytes are of a version or an algorithm that this version or this runtime does not support. */
  | 'CODEC_UNSUPPORTED'
  /** The uncompressed item is larger than the codec's limit. */
  | 'CODEC_TOO_LARGE'
  /** There is no key with the id that the item has. */
  | 'CODEC_KEY_UNKNOWN'
  /** The item was not encrypted with this key in this context, or it was changed since. */
  | 'CODEC_NOT_AUTHENTIC'
  /** The key has encrypted as many items as a key may: use another one. */
  | 'CODEC_KEY_SPENT'

/**
 * An item does not encode, or does not decode.
 *
 * @example
 * ```ts
 * import { isCodecError, RingReader, RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { json } from 'shared-block-ring/codec'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * await using writer = await RingWriter.open(device, { createIfMissing: true })
 * await writer.push(new TextEncoder().encode('not JSON'))
 * await using reader = await RingReader.open(device, { codec: json() })
 * try {
 *   await reader.receive()
 * } catch (error) {
 *   if (!isCodecError(error)) throw error
 *   console.log(error.code) // CODEC_DECODE
 *   await error.ack?.()
 * }
 * ```
 */
export class CodecError extends CodedError<CodecErrorCode, CodecErrorDetails> {
  override readonly name = 'CodecError'
  /**
   * Acknowledges an item that a `RingReader` could not decode, as `ack` of an entry does. Until then it holds back
   * later acknowledgements, and the next reader meets it again.
   */
  ack?: () => Promise<void>
}

/** Marks a class of errors as a kind that {@link kindOf} recognises. */
export function markKind(errorClass: { readonly prototype: Error }, kind: string): void {
  Object.defineProperty(errorClass.prototype, brand, { value: kind })
}

markKind(BlockError, 'block')
markKind(RingError, 'ring')
markKind(CodecError, 'codec')

/** The kind of an error of this package, whichever copy created it; undefined for any other value. */
export function kindOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return Reflect.get(value, brand)
  } catch {
    // A proxy that refuses access.
    return undefined
  }
}

/** True if a value is a {@link BlockError}, of this copy of the package or another. */
export function isBlockError(value: unknown): value is BlockError {
  return kindOf(value) === 'block'
}

/**
 * True if a value is a {@link RingError}, of this copy of the package or another. Comparing its `code` then narrows its
 * `details`.
 */
export function isRingError(value: unknown): value is AnyRingError {
  return kindOf(value) === 'ring'
}

/** True if a value is a {@link CodecError}, of this copy of the package or another. */
export function isCodecError(value: unknown): value is CodecError {
  return kindOf(value) === 'codec'
}

/** Mirage's `pp_error`: a read error as one line of text. */
export function formatBlockError(error: BlockError<string>): string {
  return `${error.code}: ${error.message}`
}

/**
 * Mirage's `pp_write_error`: a write error as one line of text, with its effect on the data. Only a refused write is
 * known to have changed nothing.
 */
export function formatBlockWriteError(error: BlockError<string>): string {
  const outcome =
    error.code === 'BLOCK_READ_ONLY'
      ? 'no data has been written'
      : 'some of the data may not have been written'
  return `${formatBlockError(error)} (${outcome})`
}
