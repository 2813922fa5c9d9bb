import { CodedError, kindOf, markKind } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingWriter } from '../ring/queue/writer.ts'

/** Codes of {@link PartialPushError}. */
export type PartialPushErrorCode =
  /** Some rings have all of their items, and others do not. */
  'PUSH_PARTIAL'

/** Which rings, by the `name` of their devices. */
export interface PartialPushErrorDetails {
  /** They have all of their items. */
  readonly durable: readonly string[]
  /** They have none of their items, or some from the front. */
  readonly failed: readonly string[]
}

/**
 * A push of a `Tee` or a `PartitionedWriter` succeeded in some rings and failed in others; its `cause` is what failed
 * first. If it failed in all of them, that is thrown itself.
 *
 * @example
 * ```ts
 * import { RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { isPartialPushError, tee } from 'shared-block-ring/fan'
 *
 * const open = () => RingWriter.open(new MemoryBlockDevice({ sizeSectors: 1024 }), { createIfMissing: true })
 * const [sound, broken] = [await open(), await open()]
 * const both = tee([sound, broken])
 * await broken.close()
 * try {
 *   await both.push(new Uint8Array(8))
 * } catch (error) {
 *   if (!isPartialPushError(error)) throw error
 *   console.log(error.durable.size, error.failed.size) // 1 1
 * }
 * await sound.close()
 * ```
 */
export class PartialPushError extends CodedError<PartialPushErrorCode, PartialPushErrorDetails> {
  override readonly name = 'PartialPushError'
  readonly #durable: ReadonlyMap<RingWriter<never>, Position>
  readonly #failed: ReadonlyMap<RingWriter<never>, unknown>

  /** @internal */
  constructor(
    durable: ReadonlyMap<RingWriter<never>, Position>,
    failed: ReadonlyMap<RingWriter<never>, unknown>,
    cause: unknown,
  ) {
    const details = { durable: namesOf(durable), failed: namesOf(failed) }
    const message =
      `Pushed to ${details.durable.join(', ')}, but not, or not all, to ${details.failed.join(', ')} (see the cause). ` +
      'To push only what is missing, go by the maps `durable` and `failed` of this error'
    super('PUSH_PARTIAL', message, details, cause)
    this.#durable = durable
    this.#failed = failed
  }

  /** The rings that have all of their items, and the position after the last of them there. */
  get durable(): ReadonlyMap<RingWriter<never>, Position> {
    return this.#durable
  }

  /** The others, and why: what the ring's own push threw, or the `cause` if it was withdrawn for that. */
  get failed(): ReadonlyMap<RingWriter<never>, unknown> {
    return this.#failed
  }
}

markKind(PartialPushError, 'partial push')

/** True if a value is a {@link PartialPushError}, of this copy of the package or another. */
export function isPartialPushError(value: unknown): value is PartialPushError {
  return kindOf(value) === 'partial push'
}

function namesOf(writers: ReadonlyMap<RingWriter<never>, unknown>): readonly string[] {
  return [...writers.keys()].map(({ producer }) => producer.device.name)
}
