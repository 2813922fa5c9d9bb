import type { HistogramValue } from './family.ts'

/** Seconds, for operations that wait for a disk or a network. */
export const LATENCIES: readonly number[] = [
  ...[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 30],
]
/** Seconds that items wait to be received. */
export const WAITS: readonly number[] = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  ...[1800, 3600, 14_400, 86_400],
]
/** Items of a commit. */
export const ITEMS: readonly number[] = [
  1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
]

/** Counts observations by their size. */
export class Histogram implements HistogramValue {
  readonly bounds: readonly number[]
  readonly counts: number[]
  sum = 0
  /** The bucket of the last observation; the next one is mostly in the same. */
  #last = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(value: number, times = 1): void {
    const { bounds, counts } = this
    let at = this.#last
    while (at > 0 && value <= (bounds[at - 1] as number)) at--
    while (at < bounds.length && value > (bounds[at] as number)) at++
    this.#last = at
    counts[at] = (counts[at] as number) + times
    this.sum += value * times
  }

  /** Observes a time given in milliseconds, in seconds. A negative one, from a clock that was set back, counts as 0. */
  observeMs(ms: number, times = 1): void {
    this.observe(Math.max(0, ms) / 1000, times)
  }
}
