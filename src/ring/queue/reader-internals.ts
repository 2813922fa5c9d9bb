import type { Clock } from '../../clock.ts'
import type { Position } from '../../position.ts'

/**
 * The internals of a `RingReader` for other parts of the package, not for callers: to `process`, groups, the worker
 * that serves a ring, and the simulator. `internalsOf` in reader.ts answers it.
 */
export interface ReaderInternals {
  readonly clock: Clock
  /** Aborted when the reader is closed, with the error that its calls reject with from then on. */
  readonly closing: AbortSignal
  /** The position of the oldest entry that is not acknowledged. */
  oldest(): Position | undefined
  /** True if `maxUnacked` keeps the reader from delivering more. */
  isFull(): boolean
  /** True if it kept the last call from delivering more. */
  wasFull(): boolean
  /** True if a write of acknowledgements failed permanently, so that nothing more is acknowledged. */
  hasEnded(): boolean
  /** As `LogFront.jumps`; does not change in format 1. */
  jumps(): number
  /**
   * Calls `onChange` whenever entries leave the ring, so that more can be delivered.
   * @returns a function that ends it
   */
  watch(onChange: () => void): () => void
}
