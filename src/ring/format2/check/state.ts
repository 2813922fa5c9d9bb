import type { Clock } from '../../../clock.ts'
import { RingError } from '../../../errors.ts'
import { isBad } from '../disk/block.ts'
import { type Cursor, cursorAfter, cursorAt } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import type { ConsumerSlot, ProducerSlot, Slots } from '../disk/slots.ts'
import { ConsumerLog } from '../log/consumer-log.ts'
import { MAX_PASSES, newestConsumer, newestProducer, slotsMisfit } from '../role.ts'

/** How long a half-written slot is given to become complete. */
const PAUSE_MS = 5

/**
 * Reads the slots of a ring that may be running. A slot that is being written is read again, and is damaged only if it does not
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

/** Whether each role has a usable slot: without, nothing says where the log is. */
export function isLogKnown(slots: Slots): boolean {
  return (
    slotsMisfit(slots, 'producer') === undefined && slotsMisfit(slots, 'consumer') === undefined
  )
}

/** Two reads of the same offset differ. */
export function unstable({ device }: Disk, offset: number): RingError {
  return new RingError(
    'RING_UNSTABLE',
    `What is at byte ${offset} of ${device.name} was different on each of ${MAX_PASSES} reads; is another program ` +
      'writing to this device?',
    { device: device.name, offset },
  )
}

/** The generations of all four slots; -1 for a damaged one. They grow with every write. */
export function generationsOf({ producer, consumer }: Slots): string {
  return [...producer, ...consumer].map((slot) => (isBad(slot) ? -1 : slot.generation)).join()
}

/**
 * Where the log begins: at the consumer's cursor, unless an epoch began before it that the consumer has not seen, or what is
 * there is given up.
 */
export function logStart(disk: Disk, producer: ProducerSlot, consumer: ConsumerSlot): Cursor {
  const { cursor, seen } = consumer
  const log = new ConsumerLog(disk, cursor, producer, async () => {})
  const next = log.learn(producer, seen, cursor)
  const { truncatedTo } = producer
  return next.logPosition.lsn < truncatedTo.lsn ? cursorAt(truncatedTo) : next
}

/** What counts of the slots of both roles. */
export interface Roles {
  readonly producer: ProducerSlot
  readonly consumer: ConsumerSlot
}

/** @throws {RingError} `RING_CORRUPT` if neither slot of a role can be believed */
export async function readRoles(disk: Disk): Promise<Roles> {
  const slots = await disk.readSlots()
  const { name } = disk.device
  return {
    producer: newestProducer(slots.producer, name).slot,
    consumer: newestConsumer(slots.consumer, name).slot,
  }
}

/**
 * Where the oldest unacknowledged item is: at the consumer's cursor, unless it still has to go back to where an epoch began, or what
 * it points at is given up.
 */
export function firstCursor({ producer, consumer }: Roles): Cursor {
  const { truncatedTo, epochs } = producer
  const next = cursorAfter(consumer.cursor, consumer.seen, epochs)
  return next.logPosition.lsn < truncatedTo.lsn ? cursorAt(truncatedTo) : next
}
