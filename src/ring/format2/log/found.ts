import type { PooledBuffer } from '../../../block/buffer-pool.ts'
import type { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import type { LogPosition } from '../disk/log-position.ts'
import type { BatchProblem } from './diagnose.ts'

/** The content of a position. */
export type Found = Nothing | FoundItem | Missed | Loss | TooLarge

/** An item. */
export interface FoundItem {
  readonly status: 'item'
  /** A view, valid until the next call. */
  readonly item: Uint8Array
  /** The position after it. */
  readonly position: Position
  /** Push time, in milliseconds since 1970, by the producer's clock. */
  readonly pushedAt: number
  /** Keeps the view valid until the returned buffer is unpinned. Without a buffer, the view remains valid. */
  readonly pin: () => PooledBuffer | undefined
}

/** Consecutive sound items of one batch. */
export interface Sound {
  readonly status: 'sound'
  readonly items: number
  /** Their total bytes. */
  readonly bytes: number
  /** The beginning and end of their batch. */
  readonly start: LogPosition
  readonly end: LogPosition
  /** The position after them. */
  readonly position: Position
}

/** An item that follows another one, as a copy or a view. */
export interface Rest extends Pick<FoundItem, 'item' | 'position'> {
  /** As `FoundItem.pushedAt`. */
  readonly pushedAt: number
  /** The buffer pinned for the view. */
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
  /**
   * Push time of the first of them, in milliseconds since 1970, by the producer's clock; undefined if it is unreadable
   * too.
   */
  readonly pushedAt: number | undefined
  /** The problem, and the segment that has it. */
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
  /** As `FoundItem.pushedAt`. */
  readonly pushedAt: number
}
