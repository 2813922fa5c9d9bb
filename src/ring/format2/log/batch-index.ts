import type { LogPosition } from '../disk/log-position.ts'
import type { BatchProblem } from './diagnose.ts'
import type { ReadBatch } from './log-reader.ts'

/** Bytes of batches kept in memory, so that their items can be popped again. */
const KEPT_BYTES = 8 << 20
/** The most segments. Beyond it, neighbours are merged. */
const MAX_SEGMENTS = 4096

interface Range {
  /** Its beginning. */
  readonly start: LogPosition
  /** The beginning of the next one. */
  readonly end: LogPosition
  /** Items from this one on were uncommitted, and are dropped. */
  readonly limit: number
}

/** A batch that was read. */
export type BatchSegment = Range & { readonly kind: 'batch'; readonly batch: ReadBatch }

/**
 * A piece of the log that was read: a batch in memory; a span of batches of which only the log position is kept; or a
 * gap.
 */
export type Segment =
  | BatchSegment
  | (Range & { readonly kind: 'span' })
  | (Range & { readonly kind: 'gap'; readonly problem: BatchProblem })

/** A segment that can contain damage to committed items. */
export type DamagedSegment = Exclude<Segment, { readonly kind: 'span' }>

/**
 * The consumer's segments from its cursor to the frontier, ascending, without overlaps, in bounded memory. Beyond
 * `KEPT_BYTES` the oldest batches become spans, which are read again on demand; beyond `MAX_SEGMENTS` spans are merged.
 * Gaps are kept, so that the loss is reported in the same words each time.
 */
export class BatchIndex {
  #segments: Segment[] = []
  #keptBytes = 0
  /** Index at which the last search ended. The next one usually ends there, or one further. */
  #hint = 0
  readonly #blockSize: number

  constructor(blockSize: number) {
    this.#blockSize = blockSize
  }

  add(segment: Segment): void {
    this.#segments.push(segment)
    if (segment.kind === 'batch') this.#keptBytes += this.#bytesOf(segment.batch)
    this.#shrink()
  }

  /** The segment that contains an item. */
  find(seq: number): Segment | undefined {
    const last = this.#segments.at(-1)
    if (last === undefined || seq >= last.end.seq) return undefined
    for (const index of [this.#hint, this.#hint + 1]) {
      const segment = this.#segments[index]
      if (segment === undefined || !holds(segment, seq)) continue
      this.#hint = index
      return segment
    }
    this.#hint = Math.max(
      0,
      this.#segments.findLastIndex((segment) => holds(segment, seq)),
    )
    const found = this.#segments[this.#hint]
    return found !== undefined && holds(found, seq) ? found : undefined
  }

  /** Drops everything from an epoch's beginning on, and the uncommitted items before it. */
  dropFrom(start: LogPosition): void {
    release(this.#segments.filter((segment) => segment.start.lsn >= start.lsn))
    this.#segments = this.#segments
      .filter((segment) => segment.start.lsn < start.lsn)
      .map((segment) => ({
        ...segment,
        end: segment.end.lsn > start.lsn ? start : segment.end,
        limit: Math.min(segment.limit, start.seq),
      }))
    this.#count()
  }

  /** Drops the segments that end before an LSN. */
  forgetBefore(lsn: number): void {
    // Missing items, which no batch contains, take no blocks.
    const keep = this.#segments.findIndex(({ start, end }) => end.lsn > lsn || start.lsn >= lsn)
    release(this.#segments.splice(0, keep < 0 ? this.#segments.length : keep))
    this.#count()
  }

  /** Releases a batch. It is read again on demand. */
  forget(segment: BatchSegment): void {
    const { start, end, limit } = segment
    release([segment])
    this.#keptBytes -= this.#bytesOf(segment.batch)
    this.replace(segment, { kind: 'span', start, end, limit })
  }

  replace(segment: Segment, other: Segment): void {
    this.#segments[this.#segments.indexOf(segment)] = other
  }

  /** Splits a span into its first batch and a span of the rest. */
  expand(span: Segment, batch: ReadBatch): void {
    const end = batch.end.lsn > span.end.lsn ? span.end : batch.end
    const first: Segment = { ...span, kind: 'batch', batch, end }
    const rest: readonly Segment[] =
      batch.end.lsn < span.end.lsn ? [{ ...span, kind: 'span', start: batch.end }] : []
    this.#segments.splice(this.#segments.indexOf(span), 1, first, ...rest)
    this.#keptBytes += this.#bytesOf(batch)
    this.#shrink(first)
  }

  /** Memory that a batch takes: all of its blocks, however little they contain. */
  #bytesOf({ header, end }: ReadBatch): number {
    return (end.lsn - header.start.lsn) * this.#blockSize
  }

  #count(): void {
    this.#hint = 0
    this.#keptBytes = 0
    for (const segment of this.#segments) {
      if (segment.kind === 'batch') this.#keptBytes += this.#bytesOf(segment.batch)
    }
  }

  /** Releases the oldest batches, except the one needed now, and merges segments if there are too many. */
  #shrink(wanted = this.#segments.at(-1)): void {
    for (let index = 0; this.#keptBytes > KEPT_BYTES && index < this.#segments.length; index++) {
      const segment = this.#segments[index] as Segment
      if (segment.kind !== 'batch' || segment === wanted) continue
      this.forget(segment)
    }
    if (this.#segments.length > MAX_SEGMENTS) this.#merge(wanted)
  }

  #merge(wanted: Segment | undefined): void {
    const merged: Segment[] = []
    for (const segment of this.#segments) {
      const before = merged.at(-1)
      const forget = segment !== wanted && segment.kind !== 'gap'
      if (forget) release([segment])
      if (forget && before?.kind === 'span' && before.limit === segment.limit) {
        merged[merged.length - 1] = { ...before, end: segment.end }
      } else if (forget) {
        merged.push({ kind: 'span', start: segment.start, end: segment.end, limit: segment.limit })
      } else {
        merged.push(segment)
      }
    }
    this.#segments = merged
    this.#count()
  }
}

function holds(segment: Segment, seq: number): boolean {
  return segment.start.seq <= seq && seq < Math.min(segment.end.seq, segment.limit)
}

/** Releases the memory of batches. */
function release(segments: readonly Segment[]): void {
  for (const segment of segments) if (segment.kind === 'batch') segment.batch.items.release()
}
