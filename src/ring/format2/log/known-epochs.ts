import type { Position } from '../../../position.ts'
import { type Epochs, epochAt } from '../disk/epochs.ts'
import { fromPosition, toPosition } from '../position.ts'

/** Epochs that are kept apart; positions that are older than these are not told apart any more. */
const MAX_KNOWN_EPOCHS = 4096

/**
 * All epochs that a consumer has heard of, ascending. On the device they are merged in time; here they stay apart, because
 * positions of before may still be asked for.
 */
export class KnownEpochs {
  #all: Epochs

  constructor(epochs: Epochs) {
    this.#all = epochs
  }

  /** @returns whether there are new ones */
  learn(epochs: Epochs): boolean {
    const last = this.#all.at(-1)?.epoch ?? 0
    const news = epochs.filter(({ epoch }) => epoch > last)
    this.#all = [...this.#all, ...news].slice(-MAX_KNOWN_EPOCHS)
    return news.length > 0
  }

  /** The number of items up to a position: less than it says, if those behind an epoch's beginning were lost. */
  seqOf(position: bigint): number {
    const { epoch, seq } = fromPosition(position)
    const later = this.#all.find((entry) => entry.epoch - entry.span > epoch)
    return Math.min(seq, later?.start.seq ?? seq)
  }

  /** The position of a place in the log, so many items into the ring. */
  positionOf(lsn: number, seq: number): Position {
    return toPosition(epochAt(this.#all, lsn), seq)
  }

  /**
   * The same, behind another one. Where epochs were merged, a place may be of several; it is of none that is older than what came
   * before.
   */
  behind(position: Position, lsn: number, seq: number): Position {
    return toPosition(Math.max(epochAt(this.#all, lsn), fromPosition(position).epoch), seq)
  }
}
