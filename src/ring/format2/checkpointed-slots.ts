import { isBad } from './disk/block.ts'
import type { Disk } from './disk/disk.ts'
import type { Slots } from './disk/slots.ts'
import { MAX_PASSES } from './role.ts'

/**
 * The slots for an attaching consumer: read until two readings with a flush in between agree, so they are on the
 * medium.
 */
export async function checkpointedSlots(disk: Disk): Promise<Slots> {
  let previous = ''
  for (let pass = 0; ; pass++) {
    const slots = await disk.readSlots()
    // A running producer keeps writing its slots. Only ours have to be stable.
    const reading = JSON.stringify(
      slots.consumer.map((slot) => (isBad(slot) ? -1 : slot.generation)),
    )
    if (reading === previous || pass === MAX_PASSES) return slots
    previous = reading
    await disk.device.flush()
  }
}
