import { isBad } from './disk/block.ts'
import type { Cursor } from './disk/cursor.ts'
import type { ConsumerSlot, Slots } from './disk/slots.ts'
import { SlotPair } from './slot-pair.ts'

/**
 * If the older slot lags by more than this part of the ring, it is written at once instead of when the consumer is
 * idle.
 */
const LAG_PART = 1 / 4

/** The part of a consumer slot that a handle decides; time and text are added as it is written. */
export type ConsumerState = Pick<
  ConsumerSlot,
  'cursor' | 'seen' | 'suspend' | 'damagedItems' | 'missedItems'
>

/** The two slots of a consumer, which the producer goes by: it frees space up to the lower cursor of both. */
export class ConsumerSlots extends SlotPair<ConsumerSlot> {
  /**
   * The slots as they were read. A damaged one counts as the older one, and as lagging: it is written first, at the
   * latest when the consumer is idle.
   * @param newest the valid one of them, or the newer one
   */
  static of([first, second]: Slots['consumer'], newest: ConsumerSlot): ConsumerSlots {
    const lost = { ...newest, generation: newest.generation - 1, seen: -1 }
    return new ConsumerSlots(isBad(first) ? lost : first, isBad(second) ? lost : second)
  }

  /** True if both slots have the cursor and the suspend request. */
  have({ cursor, seen, suspend }: ConsumerState): boolean {
    return this.every(
      (slot) =>
        slot.cursor.logPosition.lsn === cursor.logPosition.lsn &&
        slot.seen === seen &&
        slot.suspend === suspend,
    )
  }

  /** True if the older slot keeps a lot of acknowledged space from the producer, in a ring of so many blocks. */
  lagFarBehind({ logPosition: { lsn } }: Cursor, dataBlocks: number): boolean {
    return !this.every(({ cursor }) => lsn - cursor.logPosition.lsn <= dataBlocks * LAG_PART)
  }
}
