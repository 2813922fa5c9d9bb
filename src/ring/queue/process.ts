import type { BlockDevice } from '../../block/device.ts'
import type { EncodedSink, Handler, ProcessOptions, ProcessSummary } from '../../jobs/types.ts'
import { inspectRing } from '../attach.ts'
import { isEncodedSink } from './dead-letter-ring.ts'
import { processSettings } from './process-settings.ts'
import { type Inside, type ProcessedRing, Processor, type ProcessSource } from './processor.ts'
import { RingWriter } from './writer.ts'

/** Has what a reader delivers handled; as `RingReader.process`. */
export async function process<Out>(
  source: ProcessSource<Out>,
  handler: Handler<Out>,
  options: ProcessOptions<Out>,
  inside: Inside,
): Promise<ProcessSummary> {
  const { clock } = inside
  const settings = processSettings(options, { clock, client: source.consumer.client })
  try {
    const found = await look(source.consumer.device, options)
    return await new Processor(source, handler, settings, found, inside).run()
  } catch (error) {
    const { signal } = options
    if (signal?.aborted === true && error === signal.reason) return NOTHING_DONE
    throw error
  }
}

/** What a processor did that was stopped before it began. */
const NOTHING_DONE: ProcessSummary = {
  ...{ handled: 0, failedAttempts: 0, deadLettered: 0, requeued: 0, skipped: 0, overwritten: 0 },
  abandoned: 0,
}

/** Reads what is in the ring while the reader has its role: nobody else has handled a later item. */
async function look<Out>(
  device: BlockDevice,
  options: ProcessOptions<Out>,
): Promise<ProcessedRing> {
  const { signal } = options
  const { ring, producer } = await inspectRing(device, { ...(signal !== undefined && { signal }) })
  await checkSinks(options, device, ring?.uuid)
  return { ring: ring?.uuid ?? device.name, foundUpTo: producer.offset }
}

/** @throws {RangeError} items of a ring would go in a circle, or leave it where they should stay */
async function checkSinks<Out>(
  { deadLetter, requeueTo, signal }: ProcessOptions<Out>,
  device: BlockDevice,
  uuid: string | undefined,
): Promise<void> {
  // In format 1 a ring has no name of its own: what is not the same device may be another ring.
  const isOwn = async (other: BlockDevice): Promise<boolean> => {
    if (other === device || uuid === undefined) return other === device
    return (
      (await inspectRing(other, { ...(signal !== undefined && { signal }) })).ring?.uuid === uuid
    )
  }
  const requeue = requeueTo?.producer.device
  if (requeue !== undefined && !(await isOwn(requeue))) {
    throw new RangeError(
      'requeueTo must be the writer of the same ring, in format 1 on the same device',
    )
  }
  const letters = typeof deadLetter === 'object' ? deviceOf(deadLetter) : undefined
  if (letters !== undefined && (await isOwn(letters))) {
    throw new RangeError('deadLetter must not be the ring that is processed')
  }
}

function deviceOf(sink: BlockDevice | EncodedSink): BlockDevice | undefined {
  if (!isEncodedSink(sink)) return sink
  return sink instanceof RingWriter ? sink.producer.device : undefined
}
