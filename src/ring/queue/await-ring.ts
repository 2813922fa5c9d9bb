import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { isRingError } from '../../errors.ts'
import { inspectRing } from '../attach.ts'
import { BLANK, UNFINISHED } from '../report/signatures.ts'
import { Waiter, type WaitOptions } from './poll.ts'

/** What a device holds before another program has created a ring on it. */
const NOTHING_YET: readonly unknown[] = [BLANK, UNFINISHED[1], UNFINISHED[2]]

/**
 * Waits until there is a ring on a blank device.
 * @throws {RingError} as `Consumer.attach`: the device holds something else
 * @throws the signal's reason
 */
export async function awaitRing(
  device: BlockDevice,
  options: WaitOptions & { readonly clock?: Clock; readonly signal?: AbortSignal },
): Promise<void> {
  const { clock = systemClock, signal } = options
  const waiter = new Waiter(device, clock, options)
  try {
    while (!(await isThere(device, signal))) await waiter.pause(signal)
  } finally {
    waiter.close()
  }
}

async function isThere(device: BlockDevice, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await inspectRing(device, { ...(signal !== undefined && { signal }) })
    return true
  } catch (error) {
    if (!isRingError(error) || error.code !== 'RING_NOT_INITIALISED') throw error
    if (!NOTHING_YET.includes(error.details.found)) throw error
    return false
  }
}
