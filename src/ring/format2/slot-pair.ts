import { isBad } from './disk/block.ts'
import type { Read, SlotIndex } from './disk/slots.ts'

/** The result of comparing our own slots on the device with what we wrote. */
interface Comparison {
  /** Slots that are damaged, or whose write was lost. */
  readonly lost: readonly SlotIndex[]
  /** A slot with a generation that another handle wrote. */
  readonly foreign: { readonly which: SlotIndex; readonly generation: number } | undefined
}

/**
 * The two slots of a role, as it wrote them. The older one is always written next: the newer one counts, and must
 * survive a torn write.
 */
export class SlotPair<Slot extends { readonly generation: number }> {
  #slots: readonly [Slot, Slot]

  constructor(first: Slot, second: Slot) {
    this.#slots = [first, second]
  }

  get older(): SlotIndex {
    return this.#slots[0].generation < this.#slots[1].generation ? 0 : 1
  }

  get newest(): Slot {
    return this.#slots[this.older === 0 ? 1 : 0]
  }

  /** The generation of the next write. */
  get nextGeneration(): number {
    return this.newest.generation + 1
  }

  every(holds: (slot: Slot) => boolean): boolean {
    return holds(this.#slots[0]) && holds(this.#slots[1])
  }

  /** Records that a slot was written. */
  set(which: SlotIndex, slot: Slot): void {
    this.#slots = which === 0 ? [slot, this.#slots[1]] : [this.#slots[0], slot]
  }

  /** Compares slots that were read with those written. */
  compare(found: readonly [Read<Slot>, Read<Slot>]): Comparison {
    const lost: SlotIndex[] = []
    for (const which of [0, 1] as const) {
      const slot = found[which]
      const { generation } = this.#slots[which]
      if (isBad(slot) || slot.generation < generation) lost.push(which)
      else if (slot.generation !== generation) {
        return { lost, foreign: { which, generation: slot.generation } }
      }
    }
    return { lost, foreign: undefined }
  }
}
