import { isTraced, type TraceEvent, trace } from '../../trace.ts'
import type { Names } from '../../types.ts'
import { toPosition } from '../position.ts'
import { isBad } from './block.ts'
import { itemsBefore } from './cursor.ts'
import { currentEpoch, type Epochs, epochAt } from './epochs.ts'
import type { ConsumerSlot, ProducerSlot, Read, Slots } from './slots.ts'

/** Publishes the slots just read: the newest valid one of each role. */
export function traceSlots(slots: Slots, names: Names, device: string): void {
  const producer = newestOf(slots.producer)
  const consumer = newestOf(slots.consumer)
  if (producer === undefined) return
  traceProducer('get', producer, names, device)
  if (consumer !== undefined) traceConsumer('get', consumer, producer.epochs, names, device)
}

/** Publishes the content of a producer slot, read or about to be written. */
export function traceProducer(
  operation: TraceEvent['operation'],
  { committed, epochs, suspendAck }: Pick<ProducerSlot, 'committed' | 'epochs' | 'suspendAck'>,
  names: Names,
  device: string,
): void {
  if (isTraced('producer')) {
    const value = toPosition(currentEpoch(epochs).epoch, committed.seq)
    trace(operation, 'producer', value, names, device)
  }
  trace(operation, 'suspend_ack', suspendAck, names, device)
}

/**
 * As `traceProducer`, for a consumer slot.
 * @param epochs as in the producer's slot: they determine the cursor's epoch
 */
export function traceConsumer(
  operation: TraceEvent['operation'],
  { cursor, seen, suspend }: ConsumerSlot,
  epochs: Epochs,
  names: Names,
  device: string,
): void {
  if (isTraced('consumer')) {
    const epoch = Math.min(seen, epochAt(epochs, cursor.logPosition.lsn))
    const value = toPosition(epoch, itemsBefore(cursor))
    trace(operation, 'consumer', value, names, device)
  }
  trace(operation, 'suspend', suspend, names, device)
}

function newestOf<Slot extends { readonly generation: number }>([first, second]: readonly [
  Read<Slot>,
  Read<Slot>,
]): Slot | undefined {
  if (isBad(first)) return isBad(second) ? undefined : second
  return isBad(second) || first.generation > second.generation ? first : second
}
