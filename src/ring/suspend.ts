import type { BlockDevice } from '../block/device.ts'
import { systemClock } from '../clock.ts'
import { isBlockError } from '../errors.ts'
import { Consumer, inspectRing } from './ring.ts'
import type { AttachOptions, SuspendResult } from './types.ts'
import { Waiter, type WaitOptions } from './wait.ts'

/** How to suspend or resume a ring from outside. */
export interface SuspendOptions extends AttachOptions, WaitOptions {
  /** Stops the waiting; a wish that is on the device by then stays there. */
  readonly signal?: AbortSignal
}

/**
 * Asks the producer to pause, and waits until it acknowledges. If a consumer is at work on this machine, it is
 * asked to do it, because only one may write for that role.
 * @throws {BlockError} `BLOCK_CLAIMED` if the consumer at work takes no requests
 * @throws {RingError} as `Consumer.attach`
 * @throws the signal's reason
 */
export function suspendRing(device: BlockDevice, options: SuspendOptions = {}): Promise<void> {
  return settle(device, 'suspend', options)
}

/**
 * Asks the producer to go on, and waits until it does.
 * @throws as `suspendRing`
 */
export function resumeRing(device: BlockDevice, options: SuspendOptions = {}): Promise<void> {
  return settle(device, 'resume', options)
}

async function settle(
  device: BlockDevice,
  wish: 'suspend' | 'resume',
  options: SuspendOptions,
): Promise<void> {
  const { clock = systemClock, signal } = options
  const waiter = new Waiter(device, clock, options)
  try {
    while ((await request(device, wish, options)).status === 'retry') await waiter.pause(signal)
    while ((await inspectRing(device)).producer.suspendAck !== (wish === 'suspend')) {
      await waiter.pause(signal)
    }
  } finally {
    waiter.close()
  }
}

async function request(
  device: BlockDevice,
  wish: 'suspend' | 'resume',
  options: AttachOptions,
): Promise<SuspendResult> {
  try {
    await using consumer = await Consumer.attach(device, options)
    return await consumer[wish]()
  } catch (error) {
    if (!isBlockError(error) || error.code !== 'BLOCK_CLAIMED') throw error
    const answer = await device.ask('consumer', wish)
    if (answer === 'ok' || answer === 'retry') return { status: answer }
    throw error
  }
}
