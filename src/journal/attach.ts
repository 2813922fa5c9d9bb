import type { BlockDevice } from '../block/device.ts'
import { bytes } from '../codec/bytes.ts'
import type { Codec } from '../codec/codec.ts'
import { RingError } from '../errors.ts'
import { attachConsumer, attachProducer, type Consumer } from '../ring/access/attach.ts'
import { createMissing } from '../ring/queue/create-missing.ts'
import { RingWriter } from '../ring/queue/writer.ts'
import type { WriterOptions } from '../ring/queue/writer-options.ts'
import type { AttachOptions, NewRingOptions } from '../ring/types.ts'

/** Both ends of a journal's ring. */
export interface Ends<In> {
  readonly consumer: Consumer
  readonly writer: RingWriter<In>
}

/** The option that creates the ring first. */
export interface CreateJournal {
  readonly createIfMissing?: boolean | NewRingOptions
}

/**
 * Takes both roles of the journal's ring, and creates it first on a blank device. If it throws, nothing was changed.
 * @throws {RingError} `RING_UNSUPPORTED`: the ring overwrites its oldest items
 * @throws as `Producer.create`, `Consumer.attach` and `Producer.attach`; the signal's reason
 */
export async function attachEnds<In>(
  device: BlockDevice,
  create: CreateJournal,
  options: WriterOptions<In>,
): Promise<Ends<In>> {
  options.signal?.throwIfAborted()
  const { createIfMissing = true } = create
  if (createIfMissing !== false) {
    const created = typeof createIfMissing === 'object' ? createIfMissing : {}
    if (created.onFull === 'overwrite')
      throw new RangeError('a journal cannot overwrite its oldest operations')
    await createMissing(device, created)
  }
  // No other program may suspend the ring, because only this one could resume it.
  const consumer = await attachConsumer(device, { ...options, answerRequests: false })
  try {
    checkKeeps(consumer)
    // Looks at the first record, so that damage there is found before anything is written.
    const { signal } = options
    await consumer.popMany({ maxItems: 1, ...(signal !== undefined && { signal }) })
    await resume(consumer, device, options)
    const codec = options.codec ?? (bytes as Codec<unknown, never>)
    return { consumer, writer: await RingWriter.open<In>(device, { ...options, codec }) }
  } catch (error) {
    await consumer.close()
    throw error
  }
}

/**
 * A journal must not lose pushed operations.
 * @throws {RingError} `RING_UNSUPPORTED`: the ring overwrites its oldest items
 */
export function checkKeeps({ onFull, device }: Consumer): void {
  if (onFull === 'wait') return
  throw new RingError(
    'RING_UNSUPPORTED',
    `The ring on ${device.name} overwrites its oldest items, so it cannot be a journal: operations would be lost`,
    { device: device.name, field: 'onFull', expected: 'wait', found: onFull },
  )
}

/**
 * Resumes a ring whose suspender is gone: a journal is its own consumer, so no other program would. This always
 * writes the consumer's sector, and so records this journal's names there, as the original does at start.
 */
async function resume(
  consumer: Consumer,
  device: BlockDevice,
  options: AttachOptions,
): Promise<void> {
  while ((await consumer.resume()).status === 'retry') {
    // The last request was not granted. Attaching a producer does that.
    const attached = await attachProducer(device, options)
    if (attached.status === 'attached') await attached.producer.close()
  }
}
