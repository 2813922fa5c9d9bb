import { isBad } from './disk/block.ts'
import { type Disk, diskErrors } from './disk/disk.ts'
import type { Slots } from './disk/slots.ts'
import { replay, type Tail } from './log/replay.ts'
import { MAX_PASSES, newestProducer } from './role.ts'

/** The result of recovery, for an attaching producer. */
export interface RecoveredLog {
  readonly slots: Slots
  readonly tail: Tail
}

/**
 * Finds the end of the committed log. What is read may be only in a volatile cache, so it is flushed and read again
 * until two readings agree: then it is on the medium.
 */
export async function recover(disk: Disk, signal: AbortSignal | undefined): Promise<RecoveredLog> {
  const { name } = disk.device
  let before: RecoveredLog | undefined
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const slots = await disk.readSlots()
    const { slot } = newestProducer(slots.producer, name)
    // One reading is not enough: if it ends at damage, the second one differs, and a third follows.
    const tail = await replay(disk, slot, { searchesBehind: pass > 0, signal })
    if (before !== undefined && isSame(before, { slots, tail })) {
      // A running consumer keeps writing its slots. Those read before the flush are on the medium.
      return { slots: { ...slots, consumer: before.slots.consumer }, tail }
    }
    before = { slots, tail }
    await disk.device.flush()
  }
  const { keepsChanging } = diskErrors.value ?? (await diskErrors.load())
  throw keepsChanging(name)
}

function isSame(one: RecoveredLog, other: RecoveredLog): boolean {
  const shown = ({ slots, tail }: RecoveredLog): string =>
    JSON.stringify([slots.producer.map((slot) => (isBad(slot) ? -1 : slot.generation)), tail])
  return shown(one) === shown(other)
}
