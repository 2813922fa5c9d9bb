import type { BlockDevice } from '../../block/device.ts'
import type { PoppedItem, RingInspection } from '../types.ts'
import { Disk } from './disk.ts'
import { currentEpoch } from './epochs.ts'
import { bytesBetween } from './mark.ts'
import { toPosition } from './position.ts'
import { ReadingPlace } from './reading.ts'
import { rollForward } from './recover.ts'
import { newest } from './role.ts'

/** Reads a ring's state; see `inspectRing`. */
export async function inspect(device: BlockDevice): Promise<RingInspection> {
  const disk = await Disk.open(device)
  const slots = await disk.readSlots()
  const producer = newest(slots.producer, 'producer', device.name).slot
  const consumer = newest(slots.consumer, 'consumer', device.name).slot
  const { sectorSize, sizeSectors } = await device.getInfo()
  const { blockSize, dataBlocks } = disk.layout
  const { mark: committed } = await rollForward(disk, producer.committed, producer.epochs)
  const cursorSeq = consumer.cursor.seq + consumer.index
  const capacity = dataBlocks * blockSize
  const used = Math.max(0, committed.lsn - consumer.cursor.lsn) * blockSize
  return {
    format: 2,
    sectorSize,
    sizeSectors,
    producer: {
      offset: toPosition(currentEpoch(producer.epochs).epoch, committed.seq),
      suspendAck: producer.suspendAck,
      text: producer.text,
    },
    consumer: {
      offset: toPosition(consumer.seen, cursorSeq),
      suspend: consumer.suspend,
      text: consumer.text,
    },
    capacity,
    used,
    free: capacity - used,
    waitingItems: Math.max(0, committed.seq - cursorSeq),
    waitingBytes: bytesBetween(consumer.bytes, committed.bytes),
    items: () => items(disk),
  }
}

/** The items that wait, except those that the consumer gives back meanwhile. */
async function* items(disk: Disk): AsyncGenerator<PoppedItem> {
  const { name } = disk.device
  const slots = await disk.readSlots()
  const producer = newest(slots.producer, 'producer', name).slot
  const { cursor, index, bytes } = newest(slots.consumer, 'consumer', name).slot
  const reading = new ReadingPlace(disk, { mark: cursor, index, bytes }, producer)
  let position = reading.positionOf({ mark: cursor, index, bytes })
  for (;;) {
    const next = await reading.next(position)
    if (next.status === 'nothing') return
    if (next.status === 'item') {
      position = next.position
      yield { item: next.item.slice(), position }
      continue
    }
    // What was given back meanwhile may be overwritten: that is no damage.
    const now = newest((await disk.readSlots()).consumer, 'consumer', name).slot
    if (now.cursor.lsn <= cursor.lsn) throw next.error
    yield* items(disk)
    return
  }
}
