import type { TypedFlagParameter } from '@stricli/core'
import type { BlockDevice } from '../block/device.ts'
import { isBlockError } from '../errors.ts'
import { inspectRing } from '../ring/ring.ts'
import { resumeRing, suspendRing } from '../ring/suspend.ts'
import { openDevice } from './device.ts'
import { CommandError, EXIT } from './errors.ts'
import { namesOf, type RoleFlags } from './flags.ts'
import { stopSignals } from './signals.ts'
import { parseDuration } from './size.ts'

/** Flags of `suspend` and `resume`. */
export interface SettleFlags extends RoleFlags {
  /** Milliseconds. */
  readonly timeout?: number
}

export const timeoutFlag: TypedFlagParameter<number | undefined> = {
  kind: 'parsed',
  brief: 'Give up after this time, such as 500ms, 10s or 2m (default: never)',
  placeholder: 'TIME',
  optional: true,
  parse: parseDuration,
}

/** Asks the producer to pause or to go on, and waits until it does. */
export async function settle(
  wish: 'suspend' | 'resume',
  path: string,
  flags: SettleFlags,
): Promise<void> {
  using stop = stopSignals()
  await using ring = await openDevice(path, 'read-write', flags)
  const { timeout } = flags
  const timedOut = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
  const signal = timedOut === undefined ? stop.signal : AbortSignal.any([stop.signal, timedOut])
  try {
    const request = wish === 'suspend' ? suspendRing : resumeRing
    await request(ring, { ...namesOf(flags), signal })
  } catch (error) {
    stop.signal.throwIfAborted()
    if (timedOut?.aborted !== true || isBlockError(error)) throw error
    throw await unacknowledged(ring, wish, error)
  }
}

/** Says how far the request came. */
async function unacknowledged(
  ring: BlockDevice,
  wish: 'suspend' | 'resume',
  cause: unknown,
): Promise<CommandError> {
  const requested = (await inspectRing(ring)).consumer.suspend === (wish === 'suspend')
  const outcome = requested
    ? `the request to ${wish} is on the device, and counts as soon as a producer sees it`
    : `the request to ${wish} was not made, because the producer has not acknowledged the one before`
  const message = `no producer of ${ring.name} has acknowledged it in time: ${outcome}`
  const details = { device: ring.name, requested }
  return new CommandError(EXIT.nothingNow, 'CLI_TIMEOUT', message, details, cause)
}
