import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { isRingError } from '../../errors.ts'
import { inspectRing } from '../access/attach.ts'
import { BLANK, UNFINISHED } from '../report/signatures.ts'
import { Waiter, type WaitOptions } from './poll.ts'

/** What a device holds before another program has created a ring on it. */
const NOTHING_YET: readonly unknown[] = [BLANK, UNFINISHED[1], UNFINISHED[2]]
/** Between the first write of a creation and its last, a ring looks damaged. After so long it is. */
const CREATION_MS = 10_000

/**
 * Waits until there is a ring on a blank device.
 * @throws {RingError} as `Consumer.attach`: the device holds something else, or a damaged ring
 * @throws the signal's reason
 */
export async function awaitRing(
  device: BlockDevice,
  options: WaitOptions & { readonly clock?: Clock; readonly signal?: AbortSignal },
): Promise<void> {
  const { clock = systemClock, signal } = options
  const waiter = new Waiter(device, clock, options)
  let damagedSince: number | undefined
  try {
    for (;;) {
      try {
        await inspectRing(device, { ...(signal !== undefined && { signal }) })
        return
      } catch (error) {
        const isDamaged = isRingError(error) && error.code === 'RING_CORRUPT'
        damagedSince = isDamaged ? (damagedSince ?? clock.now()) : undefined
        const isBeingMade = isDamaged && clock.now() - (damagedSince ?? 0) < CREATION_MS
        if (!isBeingMade && !isNothingYet(error)) throw error
      }
      await waiter.pause(signal)
    }
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
