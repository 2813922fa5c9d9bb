import type { PooledBuffer } from '../../../block/buffer-pool.ts'
import type { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import type { LogPosition } from '../disk/log-position.ts'
import type { BatchProblem } from './diagnose.ts'

/** What is at a position. */
export type Next = Nothing | FoundItem | Missed | Loss | TooLarge

/** An item. */
export interface FoundItem {
  readonly status: 'item'
  /** A view, good until the next call. */
  readonly item: Uint8Array
  /** The position after it. */
  readonly position: Position
  /** When it was pushed, in milliseconds since 1970, by the producer's clock. */
  readonly time: number
  /** Keeps the view good until what this returns is unpinned; if it returns nothing, the view stays good. */
  readonly pin: () => PooledBuffer | undefined
}

/** Consecutive sound items of one batch. */
export interface Sound {
  readonly status: 'sound'
  readonly items: number
  /** Their bytes. */
  readonly bytes: number
  /** Where their batch begins and ends. */
  readonly start: LogPosition
  readonly end: LogPosition
  /** The position after them. */
  readonly position: Position
}

/** An item that follows another one: a copy, or a view. */
export interface Rest extends Pick<FoundItem, 'item' | 'position'> {
  /** As `time` of `Found`. */
  readonly pushedAt: number
  /** What is pinned for the view. */
  readonly pin?: PooledBuffer | undefined
}

/** There is no item yet. */
export interface Nothing {
  readonly status: 'nothing'
}

/** Items that were overwritten. */
export interface Missed {
  readonly status: 'missed'
  readonly items: number
  /** The position after them. */
  readonly position: Position
}

/** Items that are damaged. */
export interface Loss {
  readonly status: 'damage'
  readonly items: number
  /** The position after them. */
  readonly position: Position
  readonly error: RingError<'RING_DAMAGED'>
  /** When the first of them was pushed, in milliseconds since 1970, by the producer's clock; undefined if that is unreadable too. */
  readonly time: number | undefined
  /** What is wrong, and the segment that it is in. */
  readonly problem: BatchProblem
  readonly start: LogPosition
  readonly end: LogPosition
  /** Sequence number of the first of them. */
  readonly seq: number
}

/** A sound item that is larger than the reader accepts. */
export interface TooLarge {
  readonly status: 'too-large'
  /** The position after it. */
  readonly position: Position
  readonly error: RingError
  /** When it was pushed, as of `Found`. */
  readonly time: number
}
