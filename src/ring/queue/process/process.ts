import type { Position } from '../../../position.ts'
import type { Turns } from '../../../tasks/turns.ts'
import { ringExtent } from '../../access/inspect.ts'
import type { Consumer } from '../../types.ts'
import type { ReaderInternals } from '../reader-internals.ts'
import { isSameRing, refuseOwnRing } from './dead-letter-ring.ts'
import { processSettings } from './process-settings.ts'
import { type ProcessedRing, Processor, type ProcessSource } from './processor.ts'
import type { Handler, ProcessOptions, ProcessSummary } from './types.ts'

/**
 * Handles the items that a reader delivers; see `RingReader.process`.
 * @param turns limits the handlers that run at the same time, together with those of other calls
 */
export async function process<Out>(
  source: ProcessSource<Out>,
  handler: Handler<Out>,
  options: ProcessOptions<Out>,
  internals: ReaderInternals,
  turns?: Turns,
): Promise<ProcessSummary> {
  const { clock } = internals
  const settings = { ...processSettings(options, { clock, client: source.consumer.client }), turns }
  try {
    const found = await examineRing(source.consumer, options, internals)
    return await new Processor(source, handler, settings, found, internals).run()
  } catch (error) {
    const { signal } = options
    if (signal?.aborted === true && error === signal.reason) return NOTHING_DONE
    throw error
  }
}

/** The summary of a processor that was stopped before it began. */
export const NOTHING_DONE: ProcessSummary = {
  ...{ handled: 0, failedAttempts: 0, deadLettered: 0, requeued: 0, skipped: 0, overwritten: 0 },
  abandoned: 0,
}

/**
 * Finds the end of the ring while the reader holds the role, so no other consumer has handled a later item.
 * @throws {RangeError} items would go in a circle, or leave the ring where they should stay
 */
async function examineRing<Out>(
  consumer: Consumer,
  { deadLetter, requeueTo, signal }: ProcessOptions<Out>,
  internals: ReaderInternals,
): Promise<ProcessedRing> {
  const { device } = consumer
  const jumps = internals.jumps()
  const { uuid, writtenTo } = await ringExtent(consumer, signal)
  if (requeueTo !== undefined && !(await isSameRing(device, requeueTo.producer.device, signal))) {
    throw new RangeError(
      'requeueTo must be the writer of the same ring, in format 1 on the same device',
    )
  }
  await refuseOwnRing(deadLetter, device, signal)
  const findEnd = async (stop: AbortSignal): Promise<Position> =>
    (await ringExtent(consumer, stop)).writtenTo
  return { ring: uuid ?? device.name, foundUpTo: writtenTo, jumps, findEnd }
}
