import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { type BlockError, isBlockError } from '../../errors.ts'
import { onAbort } from '../../util/abort.ts'
import type { OptionKinds } from '../../util/options.ts'
import { attachConsumer, checkLease } from '../access/attach.ts'
import { inspectRing } from '../access/inspect.ts'
import { ATTACH_KINDS } from '../shared/attach-options.ts'
import { keyOf } from '../shared/key.ts'
import type { AttachOptions } from '../types.ts'
import { checkPollOptions, type PollOptions, Waiter } from './poll.ts'

/** The limit for finding the role taken by a holder that does not answer. */
const MAX_REFUSALS = 10

/**
 * Options of suspending or resuming a ring from outside. `signal` ends the wait; a request already on the device
 * remains.
 */
export interface SuspendOptions extends AttachOptions, PollOptions {}

const KINDS: OptionKinds<SuspendOptions> = {
  ...ATTACH_KINDS,
  maxPollMs: 'number',
}

/**
 * Requests the producer to pause, and waits until it grants that. If a consumer is running on this machine, it is asked
 * to write the request, because only one handle may write for that role.
 * @throws {TypeError | RangeError} an option is out of range
 * @throws {BlockError} `BLOCK_CLAIMED` if the running consumer accepts no requests
 * @throws {RingError} as `Consumer.attach`
 * @throws the reason of the signal that was aborted
 */
export function suspendRing(device: BlockDevice, options: SuspendOptions = {}): Promise<void> {
  return suspendOrResume(device, 'suspend', options)
}

/**
 * Requests the producer to continue, and waits until it does.
 * @throws as `suspendRing`
 */
export function resumeRing(device: BlockDevice, options: SuspendOptions = {}): Promise<void> {
  return suspendOrResume(device, 'resume', options)
}

/**
 * As `suspendRing` and `resumeRing`.
 * @param patience ends only the waiting: even if it is aborted already, the request is made first
 */
export async function suspendOrResume(
  device: BlockDevice,
  action: 'suspend' | 'resume',
  options: SuspendOptions,
  patience?: AbortSignal,
): Promise<void> {
  const { clock = systemClock, signal } = options
  checkCall(`${action}Ring`, device, options, KINDS)
  checkPollOptions(options)
  if (options.lease !== undefined) await checkLease(options.lease)
  signal?.throwIfAborted()
  const waiter = new Waiter(device, clock, options)
  const stopListening = onAbort(patience, () => waiter.wake())
  const wanted = action === 'suspend'
  let refusals = 0
  try {
    for (;;) {
      const { producer, consumer } = await inspectRing(
        device,
        signal === undefined ? {} : { signal },
      )
      if (consumer.suspend === wanted && producer.suspendAck === wanted) return
      if (consumer.suspend !== wanted) {
        const refused = await request(device, action, options)
        // Another program that suspends holds the role for a moment, and a running consumer may be slow to answer.
        if (refused !== undefined && ++refusals > MAX_REFUSALS) throw refused
      }
      patience?.throwIfAborted()
      await waiter.pause(signal)
    }
  } finally {
    stopListening()
    waiter.close()
  }
}

/**
 * Writes the request, or has the running consumer write it. Returns the error that names the holder, if another program
 * has the role.
 */
async function request(
  device: BlockDevice,
  action: 'suspend' | 'resume',
  options: AttachOptions,
): Promise<BlockError | undefined> {
  if (device.capabilities.claim) {
    const answer = await device.ask('consumer', action, { key: keyOf(device) })
    if (answer !== undefined) return
  }
  try {
    await using consumer = await attachConsumer(device, options)
    await consumer[action]()
    return
  } catch (error) {
    if (isBlockError(error) && error.code === 'BLOCK_CLAIMED') return error
    throw error
  }
}
