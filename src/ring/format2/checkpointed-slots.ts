import { isBad } from './disk/block.ts'
import type { Disk } from './disk/disk.ts'
import type { Slots } from './disk/slots.ts'
import { MAX_PASSES } from './role.ts'

/** The slots as an attaching consumer goes by them: read until two readings agree, with a flush between them, so they are on the medium. */
export async function checkpointedSlots(disk: Disk): Promise<Slots> {
  let previous = ''
  for (let pass = 0; ; pass++) {
    const slots = await disk.readSlots()
    // A running producer keeps writing its own slots: only ours have to be stable.
    const reading = JSON.stringify(
      slots.consumer.map((slot) => (isBad(slot) ? -1 : slot.generation)),
    )
    if (reading === previous || pass === MAX_PASSES) return slots
    previous = reading
    await disk.device.flush()
  }
}
