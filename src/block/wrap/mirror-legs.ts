import { channel } from '../../diagnostics.ts'
import { BlockError, isBlockError } from '../../errors.ts'
import type { BlockDevice, BlockInfo } from '../device.ts'

/** The diagnostics channel on which {@link MirrorBlockDevice} publishes a {@link MirrorFailure}. */
export const MIRROR_CHANNEL = 'shared-block-ring:mirror'

/** A leg that a mirror has dropped. */
export interface MirrorFailure {
  /** The mirror's name. */
  readonly device: string
  /** Which leg, in the order that they were given. */
  readonly leg: 'first' | 'second'
  /** The leg's name. */
  readonly legName: string
  /** The method of {@link BlockDevice} that failed. */
  readonly operation: string
  readonly error: unknown
}

/** How a {@link MirrorBlockDevice} is made. */
export interface MirrorOptions {
  /**
   * Told when a leg is dropped. No write or flush resolves until this has, so that a record of the stale leg
   * can be made durable before anything is acknowledged that only the other leg holds. If it fails, every
   * write and flush from then on answers `BLOCK_MIRROR_UNRECORDED`.
   */
  readonly onLegFailed?: (failure: MirrorFailure) => void | Promise<void>
}

/** One of a mirror's devices. */
export interface Leg {
  readonly which: 'first' | 'second'
  readonly device: BlockDevice
  /** As the device last told it. */
  info: BlockInfo
  /** Whether it holds all that the mirror does. */
  live: boolean
}

interface Failed {
  readonly leg: Leg
  readonly error: unknown
}

/** Which legs of a mirror are good, and what happens when one is not. */
export class MirrorLegs {
  readonly #name: string
  readonly #legs: readonly [Leg, Leg]
  readonly #onLegFailed: MirrorOptions['onLegFailed']
  readonly #channel = channel(MIRROR_CHANNEL)
  #recorded: Promise<void> = Promise.resolve()

  constructor(name: string, legs: readonly [Leg, Leg], options: MirrorOptions) {
    this.#name = name
    this.#legs = legs
    this.#onLegFailed = options.onLegFailed
  }

  /** The legs that hold all that the mirror does: one or two. */
  get live(): Leg[] {
    return this.#legs.filter(({ live }) => live)
  }

  /** The leg that was dropped, if one was. */
  get failed(): Leg | undefined {
    return this.#legs.find(({ live }) => !live)
  }

  /** Resolves when every failure so far has been recorded. */
  get recorded(): Promise<void> {
    return this.#recorded
  }

  /** What both legs are together. A dropped one counts for the size, to be of use again. */
  get info(): BlockInfo {
    const [{ info: first }, { info: second }] = this.#legs
    return {
      readWrite: this.live.every(({ info }) => info.readWrite),
      sectorSize: first.sectorSize,
      sizeSectors: Math.min(first.sizeSectors, second.sizeSectors),
    }
  }

  /** Makes a request of every good leg. It is done if one that is still good at the end has done it. */
  async onBoth(operation: string, request: (leg: Leg) => Promise<void>): Promise<void> {
    const failed: Failed[] = []
    const asked = this.live
    const ask = async (leg: Leg): Promise<void> => {
      try {
        await request(leg)
      } catch (error) {
        failed.push({ leg, error })
      }
    }
    await Promise.all(asked.map(ask))
    const fatal = this.#settle(operation, asked, failed)
    if (fatal !== undefined) throw fatal.error
  }

  /** Makes a request of the first good leg that can do it. */
  async fromOne<T>(operation: string, request: (leg: Leg) => Promise<T>): Promise<T> {
    const failed: Failed[] = []
    const asked = this.live
    for (const leg of asked) {
      let answer: T
      try {
        answer = await request(leg)
      } catch (error) {
        failed.push({ leg, error })
        continue
      }
      const fatal = this.#settle(operation, asked, failed)
      if (fatal !== undefined) throw fatal.error
      return answer
    }
    throw this.#settle(operation, asked, failed)?.error
  }

  /**
   * Drops the legs that failed, but not the last: its failure is the answer. Other requests may have dropped
   * a leg in the meantime.
   */
  #settle(operation: string, asked: readonly Leg[], failed: readonly Failed[]): Failed | undefined {
    if (failed.length === asked.length && failed.every(({ error }) => isRefusal(error))) {
      return failed[0]
    }
    for (const failure of failed) {
      if (!failure.leg.live) continue
      if (this.live.length === 1) return failure
      this.#drop(failure, operation)
    }
    return undefined
  }

  #drop({ leg, error }: Failed, operation: string): void {
    leg.live = false
    const { which, device } = leg
    const failure = { device: this.#name, leg: which, legName: device.name, operation, error }
    this.#channel.publish(failure)
    this.#recorded = this.#record(failure)
    // Writes and flushes answer with it; the read that found the leg failed does not wait for it.
    this.#recorded.catch(() => {})
  }

  async #record(failure: MirrorFailure): Promise<void> {
    try {
      await this.#onLegFailed?.(failure)
    } catch (cause) {
      throw new BlockError(
        'BLOCK_MIRROR_UNRECORDED',
        `the failure of ${failure.legName} could not be recorded, so ${this.#name} cannot acknowledge ` +
          'what only its other leg holds; make the mirror anew from that leg',
        { device: this.#name },
        cause,
      )
    }
  }
}

/**
 * Checks that two devices can be a mirror's legs.
 * @throws {TypeError} both are the same device
 * @throws {RangeError} their sectors differ in size
 */
export function checkLegs(
  first: Pick<Leg, 'device' | 'info'>,
  second: Pick<Leg, 'device' | 'info'>,
): void {
  if (first.device === second.device) {
    throw new TypeError(`a mirror needs two devices, but got ${first.device.name} twice`)
  }
  if (first.info.sectorSize !== second.info.sectorSize) {
    throw new RangeError(
      `the legs of a mirror need sectors of one size, but those of ${first.device.name} have ` +
        `${first.info.sectorSize} bytes and those of ${second.device.name} ${second.info.sectorSize}`,
    )
  }
}

/** Whether a leg refused a request before it did any I/O. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    (isBlockError(error) && ['BLOCK_READ_ONLY', 'BLOCK_DISCONNECTED'].includes(error.code))
  )
}
