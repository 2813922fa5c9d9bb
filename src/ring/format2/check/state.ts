import type { Clock } from '../../../clock.ts'
import { RingError } from '../../../errors.ts'
import { isBad } from '../disk/block.ts'
import { type Cursor, cursorAfter, cursorAt } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import type { ConsumerSlot, ProducerSlot, Slots } from '../disk/slots.ts'
import { ConsumerLog } from '../log/consumer-log.ts'
import { MAX_PASSES, newestConsumer, newestProducer, slotsMisfit } from '../role.ts'

/** Time for a half-written slot to become complete. */
const PAUSE_MS = 5

/**
 * Reads the slots of a ring that may be running. A slot being written is read again; it is damaged only if it does not
 * change.
 * @throws {RingError} `RING_UNSTABLE`
 */
export async function readSteadySlots(disk: Disk, clock: Clock): Promise<Slots> {
  let before = ''
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const slots = await disk.readSlots()
    const damaged = [...slots.producer, ...slots.consumer].map((slot) => isBad(slot) && slot)
    const log = JSON.stringify(damaged)
    if (!damaged.some(Boolean) || log === before) return slots
    before = log
    await clock.sleep(PAUSE_MS)
  }
  throw unstable(disk, disk.layout.slots.offset)
}

/** True if each role has a usable slot. Otherwise the log cannot be found. */
export function isLogKnown(slots: Slots): boolean {
  return (
    slotsMisfit(slots, 'producer') === undefined && slotsMisfit(slots, 'consumer') === undefined
  )
}

/** Two reads of the same offset differ. */
export function unstable({ device }: Disk, offset: number): RingError {
  return new RingError(
    'RING_UNSTABLE',
    `Byte ${offset} of ${device.name} was different on each of ${MAX_PASSES} reads; is another program ` +
      'writing to this device?',
    { device: device.name, offset },
  )
}

/** The generations of all four slots, -1 for a damaged one. Every write raises one. */
export function generationsOf({ producer, consumer }: Slots): string {
  return [...producer, ...consumer].map((slot) => (isBad(slot) ? -1 : slot.generation)).join()
}

/**
 * The beginning of the log: the consumer's cursor, or the beginning of an unseen epoch that lies before it, or the end
 * of what was given up.
 */
export function logStart(disk: Disk, producer: ProducerSlot, consumer: ConsumerSlot): Cursor {
  const { cursor, seen } = consumer
  const log = new ConsumerLog(disk, cursor, producer, async () => {})
  const next = log.apply(producer, seen, cursor)
  const { truncatedTo } = producer
  return next.logPosition.lsn < truncatedTo.lsn ? cursorAt(truncatedTo) : next
}

/** The valid slots of both roles. */
export interface Roles {
  readonly producer: ProducerSlot
  readonly consumer: ConsumerSlot
}

/** @throws {RingError} `RING_CORRUPT` if a role has no valid slot */
export async function readRoles(disk: Disk): Promise<Roles> {
  const slots = await disk.readSlots()
  const { name } = disk.device
  return {
    producer: newestProducer(slots.producer, name).slot,
    consumer: newestConsumer(slots.consumer, name).slot,
  }
}

/**
 * The oldest unacknowledged item: at the consumer's cursor, or at the beginning of an unseen epoch before it, or after
 * the items given up.
 */
export function firstCursor({ producer, consumer }: Roles): Cursor {
  const { truncatedTo, epochs } = producer
  const next = cursorAfter(consumer.cursor, consumer.seen, epochs)
  return next.logPosition.lsn < truncatedTo.lsn ? cursorAt(truncatedTo) : next
}
