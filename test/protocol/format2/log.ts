import type { View } from '../machine.ts'
import {
  type Batch,
  type Body,
  DATA,
  type Epoch,
  type LogPosition,
  type Rules,
  type Unit,
} from './rules.ts'

/** What recovery finds. */
export interface Tail {
  readonly logPosition: LogPosition
  /** The newest epoch seen in batches. */
  readonly epoch: number
  /** A batch was complete once, and no longer is. */
  readonly damaged: boolean
}

/** Where the batch after this one begins. */
export function endOf({ start, item, blocks, id }: Batch): LogPosition {
  return {
    lsn: start.lsn + blocks,
    seq: start.seq + (item === undefined ? 0 : 1),
    crc: id,
  }
}

/** Reads the log on a medium. */
export class Log {
  readonly blocks: number
  readonly #rules: Rules

  constructor(blocks: number, rules: Rules) {
    this.blocks = blocks
    this.#rules = rules
  }

  /** The unit that holds a block of the log. */
  unit(lsn: number): number {
    return DATA + (lsn % this.blocks)
  }

  /**
   * The batch at a log position, if it continues the chain there and is of the right epoch; and whether it is complete.
   */
  batchAt(
    view: View<Unit>,
    logPosition: LogPosition,
    epochs: readonly Epoch[],
  ): { readonly batch: Batch; readonly whole: boolean } | undefined {
    const batch = this.#header(view, logPosition.lsn, epochs)
    if (batch === undefined) return undefined
    if (batch.start.seq !== logPosition.seq || batch.start.crc !== logPosition.crc) return undefined
    const bodies = Array.from({ length: batch.blocks - 1 }, (_, at) =>
      view(this.unit(logPosition.lsn + 1 + at)),
    )
    return { batch, whole: bodies.every((body) => (body as Body | null)?.of === batch.id) }
  }

  /** Replays the log from a checkpoint to the end of what was committed. */
  replay(view: View<Unit>, from: LogPosition, epochs: readonly Epoch[]): Tail {
    let logPosition = from
    let tail = from
    let epoch = 0
    for (;;) {
      const found = this.batchAt(view, logPosition, epochs)
      if (found?.whole !== true) break
      const { batch } = found
      epoch = Math.max(epoch, batch.epoch)
      logPosition = endOf(batch)
      if (batch.to > tail.seq) tail = { ...logPosition, seq: batch.to }
      if (!this.#rules.dropsHeld) tail = logPosition
    }
    return { logPosition: tail, epoch, damaged: this.#hasLater(view, logPosition, tail, epochs) }
  }

  /** Whether a later batch shows that what is missing at a log position was complete once. */
  #hasLater(
    view: View<Unit>,
    logPosition: LogPosition,
    tail: LogPosition,
    epochs: readonly Epoch[],
  ): boolean {
    for (let lsn = logPosition.lsn + 1; lsn < logPosition.lsn + this.blocks; lsn++) {
      const later = this.#header(view, lsn, epochs)
      if (later?.epoch === epochs.at(-1)?.epoch && (later?.to ?? 0) > tail.seq) return true
    }
    return false
  }

  #header(view: View<Unit>, lsn: number, epochs: readonly Epoch[]): Batch | undefined {
    const unit = view(this.unit(lsn))
    if (unit === null || !('start' in unit) || unit.start.lsn !== lsn) return undefined
    return this.#allows(epochs, lsn, unit.epoch) ? unit : undefined
  }

  #allows(epochs: readonly Epoch[], lsn: number, epoch: number): boolean {
    if (!this.#rules.checksEpoch) return true
    const entry = epochs.findLast(({ start }) => start.lsn <= lsn)
    if (entry !== undefined) return epoch === entry.epoch
    const next = epochs.find(({ start }) => start.lsn > lsn)
    return next !== undefined && epoch < next.epoch
  }
}

/** Where the earliest epoch begins that is newer than `seen`. */
export function firstUnseen(epochs: readonly Epoch[], seen: number): Epoch | undefined {
  return epochs.find(({ epoch }) => epoch > seen)
}
