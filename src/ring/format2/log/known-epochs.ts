import type { Position } from '../../../position.ts'
import { type Epochs, epochAt } from '../disk/epochs.ts'
import { fromPosition, toPosition } from '../position.ts'

/** The most epochs kept. Older positions can no longer be distinguished by epoch. */
const MAX_KNOWN_EPOCHS = 4096

/**
 * All epochs that a consumer has seen, ascending. The device merges old ones; they are kept apart here, because callers
 * may still hold positions of them.
 */
export class KnownEpochs {
  #all: Epochs

  constructor(epochs: Epochs) {
    this.#all = epochs
  }

  /** @returns whether there were new ones */
  add(epochs: Epochs): boolean {
    const last = this.#all.at(-1)?.epoch ?? 0
    const added = epochs.filter(({ epoch }) => epoch > last)
    this.#all = [...this.#all, ...added].slice(-MAX_KNOWN_EPOCHS)
    return added.length > 0
  }

  /** The number of items up to a position: fewer than its own count if items after an epoch's beginning were lost. */
  seqOf(position: bigint): number {
    const { epoch, seq } = fromPosition(position)
    const later = this.#all.find((entry) => entry.epoch - entry.span > epoch)
    return Math.min(seq, later?.start.seq ?? seq)
  }

  /** The position after `seq` items, at an LSN. */
  positionOf(lsn: number, seq: number): Position {
    return toPosition(epochAt(this.#all, lsn), seq)
  }

  /**
   * The position that follows another one. Among merged epochs several are possible; the result is never of an older
   * epoch than the position before.
   */
  positionAfter(position: Position, lsn: number, seq: number): Position {
    return toPosition(Math.max(epochAt(this.#all, lsn), fromPosition(position).epoch), seq)
  }
}
