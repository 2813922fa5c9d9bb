import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { isRingError, type RingError } from '../../errors.ts'
import { asPosition, type PoppedItem, type RingInspection } from '../types.ts'
import { Control } from './control.ts'
import { RecordReader } from './reader.ts'

/** Items are checked against the consumer's pointer after this many bytes. */
const BATCH_BYTES = 1 << 20
const BATCH_ITEMS = 1000

/** Reads a ring's state; see `inspectRing`. */
export async function inspect(device: BlockDevice): Promise<RingInspection> {
  const control = await Control.open(device, { queue: 'unknown', client: 'unknown' }, systemClock)
  const { producer, consumer } = await control.look()
  const { sectorSize, sizeSectors, dataBytes } = control.layout
  const used = Number(producer.offset - consumer.offset)
  return {
    format: 1,
    sectorSize,
    sizeSectors,
    producer: {
      offset: asPosition(producer.offset),
      suspendAck: producer.flag,
      text: producer.text,
    },
    consumer: { offset: asPosition(consumer.offset), suspend: consumer.flag, text: consumer.text },
    capacity: dataBytes,
    used,
    free: dataBytes - used,
    items: () => items(control, consumer.offset, producer.offset),
  }
}

/**
 * The items between two offsets, except those that the consumer gives back meanwhile: their space may be
 * overwritten while it is read, so an item counts only if the consumer has not passed it afterwards.
 */
async function* items(control: Control, from: bigint, to: bigint): AsyncGenerator<PoppedItem> {
  const reader = new RecordReader(control.device, control.layout)
  for (let at = from; at < to; ) {
    const batch = await readBatch(reader, at, to)
    const { consumer } = await control.look()
    if (consumer.offset > at) {
      at = consumer.offset
    } else if (batch instanceof Error) {
      throw batch
    } else {
      yield* batch
      at = batch.at(-1)?.position ?? to
    }
  }
}

/** Some items, or what is wrong with the first of them, which only counts if it is still there. */
async function readBatch(
  reader: RecordReader,
  from: bigint,
  to: bigint,
): Promise<readonly PoppedItem[] | RingError> {
  try {
    return await reader.readMany(from, to, BATCH_ITEMS, BATCH_BYTES)
  } catch (error) {
    if (isRingError(error)) return error
    throw error
  }
}
