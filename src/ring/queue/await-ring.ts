import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { isRingError } from '../../errors.ts'
import { inspectRing } from '../access/inspect.ts'
import { BLANK, UNFINISHED } from '../report/signatures.ts'
import { type PollOptions, Waiter } from './poll.ts'

/** The content of a device before another program has created a ring on it. */
const NOTHING_YET: readonly unknown[] = [BLANK, UNFINISHED[1], UNFINISHED[2]]
/** A ring looks damaged from the first write of its creation to the last. After this time it is. */
const CREATION_MS = 10_000

/** Checks repeatedly if a ring has been created on a blank device. */
export class AwaitedRing {
  readonly #device: BlockDevice
  readonly #clock: Clock
  #damagedSince: number | undefined

  constructor(device: BlockDevice, clock: Clock) {
    this.#device = device
    this.#clock = clock
  }

  /**
   * True if there is a ring now.
   * @throws {RingError} as `Consumer.attach`: the device holds something else, or a damaged ring
   * @throws the signal's reason
   */
  async exists(signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await inspectRing(this.#device, { ...(signal !== undefined && { signal }) })
      return true
    } catch (error) {
      const now = this.#clock.now()
      const isDamaged = isRingError(error) && error.code === 'RING_CORRUPT'
      this.#damagedSince = isDamaged ? (this.#damagedSince ?? now) : undefined
      const isBeingMade = isDamaged && now - (this.#damagedSince ?? 0) < CREATION_MS
      if (!isBeingMade && !isNothingYet(error)) throw error
      return false
    }
  }
}

/**
 * Waits until there is a ring on a blank device.
 * @throws as `AwaitedRing.exists`
 */
export async function awaitRing(
  device: BlockDevice,
  options: PollOptions & { readonly clock?: Clock; readonly signal?: AbortSignal },
): Promise<void> {
  const { clock = systemClock, signal } = options
  const waiter = new Waiter(device, clock, options)
  const awaited = new AwaitedRing(device, clock)
  try {
    while (!(await awaited.exists(signal))) await waiter.pause(signal)
  } finally {
    waiter.close()
  }
}

function isNothingYet(error: unknown): boolean {
  return (
    isRingError(error) &&
    error.code === 'RING_NOT_INITIALISED' &&
    NOTHING_YET.includes(error.details.found)
  )
}
