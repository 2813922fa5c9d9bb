import type { BlockDevice } from '../../block/device.ts'
import type { PoppedItem, RingInspection } from '../types.ts'
import { Disk, type Slots } from './disk.ts'
import { currentEpoch } from './epochs.ts'
import { bytesBetween, type Mark } from './mark.ts'
import { toPosition } from './position.ts'
import { ReadingPlace } from './reading.ts'
import { newest } from './role.ts'
import { Walker } from './walk.ts'

/** Reads a ring's state; see `inspectRing`. */
export async function inspect(device: BlockDevice): Promise<RingInspection> {
  const disk = await Disk.open(device)
  const slots = await disk.readSlots()
  const producer = newest(slots.producer, 'producer', device.name).slot
  const consumer = newest(slots.consumer, 'consumer', device.name).slot
  const { sectorSize, sizeSectors } = await device.getInfo()
  const { blockSize, dataBlocks } = disk.layout
  const committed = await committedEnd(disk, slots)
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

/** Reads on from what the producer published to the end of what is committed: no more than it may be behind. */
async function committedEnd(disk: Disk, slots: Slots): Promise<Mark> {
  const { slot } = newest(slots.producer, 'producer', disk.device.name)
  const walker = new Walker(disk)
  let mark = slot.committed
  let end = mark
  // A producer at work can go on for ever: once around is far enough.
  while (mark.lsn - slot.committed.lsn < disk.layout.dataBlocks) {
    const batch = await walker.batchAt(mark, slot.epochs)
    if (batch?.whole !== true) break
    mark = batch.end
    if (batch.header.committedTo === mark.seq) end = mark
  }
  return end
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
