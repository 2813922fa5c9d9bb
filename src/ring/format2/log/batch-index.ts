import type { Mark } from '../disk/log-position.ts'
import type { BatchProblem } from './diagnose.ts'
import type { Batch } from './log-reader.ts'

/** Bytes of the log that are kept for popping their items again. */
const KEPT_BYTES = 8 << 20
/** Steps that are kept apart; beyond, neighbours are merged. */
const MAX_STEPS = 4096

interface Range {
  /** Where it begins. */
  readonly mark: Mark
  /** Where the next one begins. */
  readonly end: Mark
  /** Items from this one on were held back, and dropped. */
  readonly limit: number
}

/** A batch that was read. */
export type BatchStep = Range & { readonly kind: 'batch'; readonly batch: Batch }

/** A piece of the log that was read: a batch; one or more batches of which only the place is kept; or a loss. */
export type Step =
  | BatchStep
  | (Range & { readonly kind: 'span' })
  | (Range & { readonly kind: 'gap'; readonly problem: BatchProblem })

/** A step in which something can be damaged that is known to have been there. */
export type DamagedStep = Exclude<Step, { readonly kind: 'span' }>

/** The steps from the cursor to the frontier, in bounded memory. */
export class Steps {
  #steps: Step[] = []
  #keptBytes = 0
  /** Where the last search ended: the next one is mostly there, or one further. */
  #hint = 0
  readonly #blockSize: number

  constructor(blockSize: number) {
    this.#blockSize = blockSize
  }

  add(step: Step): void {
    this.#steps.push(step)
    if (step.kind === 'batch') this.#keptBytes += this.#bytesOf(step.batch)
    this.#shrink()
  }

  /** The step that holds an item. */
  find(seq: number): Step | undefined {
    const last = this.#steps.at(-1)
    if (last === undefined || seq >= last.end.seq) return undefined
    for (const index of [this.#hint, this.#hint + 1]) {
      const step = this.#steps[index]
      if (step === undefined || !holds(step, seq)) continue
      this.#hint = index
      return step
    }
    this.#hint = Math.max(
      0,
      this.#steps.findLastIndex((step) => holds(step, seq)),
    )
    const found = this.#steps[this.#hint]
    return found !== undefined && holds(found, seq) ? found : undefined
  }

  /** Drops what is at or behind a place where an epoch begins, and what was held back before it. */
  truncate(start: Mark): void {
    release(this.#steps.filter(({ mark }) => mark.lsn >= start.lsn))
    this.#steps = this.#steps
      .filter(({ mark }) => mark.lsn < start.lsn)
      .map((step) => ({
        ...step,
        end: step.end.lsn > start.lsn ? start : step.end,
        limit: Math.min(step.limit, start.seq),
      }))
    this.#count()
  }

  /** Drops what ends before a place. */
  forgetBefore(lsn: number): void {
    // Items that no batch holds take no blocks.
    const keep = this.#steps.findIndex(({ mark, end }) => end.lsn > lsn || mark.lsn >= lsn)
    release(this.#steps.splice(0, keep < 0 ? this.#steps.length : keep))
    this.#count()
  }

  replace(step: Step, other: Step): void {
    this.#steps[this.#steps.indexOf(step)] = other
  }

  /** Puts the first batch of a span in its place, and keeps the rest. */
  expand(span: Step, batch: Batch): void {
    const end = batch.end.lsn > span.end.lsn ? span.end : batch.end
    const first: Step = { ...span, kind: 'batch', batch, end }
    const rest: readonly Step[] =
      batch.end.lsn < span.end.lsn ? [{ ...span, kind: 'span', mark: batch.end }] : []
    this.#steps.splice(this.#steps.indexOf(span), 1, first, ...rest)
    this.#keptBytes += this.#bytesOf(batch)
    this.#shrink(first)
  }

  /** Memory that a batch keeps: its blocks, however little is in them. */
  #bytesOf({ header, end }: Batch): number {
    return (end.lsn - header.start.lsn) * this.#blockSize
  }

  #count(): void {
    this.#hint = 0
    this.#keptBytes = 0
    for (const step of this.#steps) {
      if (step.kind === 'batch') this.#keptBytes += this.#bytesOf(step.batch)
    }
  }

  /** Forgets the items of the oldest batches, but not of the one wanted now, and merges what is too many. */
  #shrink(wanted = this.#steps.at(-1)): void {
    for (let index = 0; this.#keptBytes > KEPT_BYTES && index < this.#steps.length; index++) {
      const step = this.#steps[index] as Step
      if (step.kind !== 'batch' || step === wanted) continue
      this.#keptBytes -= this.#bytesOf(step.batch)
      release([step])
      const { mark, end, limit } = step
      this.#steps[index] = { kind: 'span', mark, end, limit }
    }
    if (this.#steps.length > MAX_STEPS) this.#merge(wanted)
  }

  #merge(wanted: Step | undefined): void {
    const merged: Step[] = []
    for (const step of this.#steps) {
      const before = merged.at(-1)
      const forget = step !== wanted && step.kind !== 'gap'
      if (forget) release([step])
      if (forget && before?.kind === 'span' && before.limit === step.limit) {
        merged[merged.length - 1] = { ...before, end: step.end }
      } else if (forget) {
        merged.push({ kind: 'span', mark: step.mark, end: step.end, limit: step.limit })
      } else {
        merged.push(step)
      }
    }
    this.#steps = merged
    this.#count()
  }
}

function holds(step: Step, seq: number): boolean {
  return step.mark.seq <= seq && seq < Math.min(step.end.seq, step.limit)
}

/** Gives the memory of batches back that are not kept any more. */
function release(steps: readonly Step[]): void {
  for (const step of steps) if (step.kind === 'batch') step.batch.items.release()
}
