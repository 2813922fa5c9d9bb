/** The rate of an operation, and how long one takes. */
export interface Pace {
  readonly perSecond: number
  /** The median duration, in microseconds. */
  readonly medianUs: number
  /** The 99th percentile, in microseconds. */
  readonly p99Us: number
}

/** The duration of a measurement. */
export interface Timing {
  /** Milliseconds. */
  readonly ms: number
  /** Ends the measurement between two operations. */
  readonly signal: AbortSignal
}

/**
 * Repeats an operation, one at a time, until the time is up; at least once.
 * @param between work that is needed between operations, and not measured
 * @throws the signal's reason
 */
export async function paceOf(
  operation: (index: number) => Promise<unknown>,
  { ms, signal }: Timing,
  between: (index: number) => Promise<unknown> = async () => undefined,
): Promise<Pace> {
  const times: number[] = []
  let sum = 0
  const end = performance.now() + ms
  do {
    signal.throwIfAborted()
    await between(times.length)
    const began = performance.now()
    await operation(times.length)
    const took = performance.now() - began
    times.push(took)
    sum += took
  } while (performance.now() < end)
  times.sort((a, b) => a - b)
  return {
    perSecond: (times.length * 1000) / sum,
    medianUs: quantile(times, 0.5),
    p99Us: quantile(times, 0.99),
  }
}

function quantile(sorted: readonly number[], share: number): number {
  const at = Math.min(sorted.length - 1, Math.floor(share * sorted.length))
  return (sorted[at] ?? 0) * 1000
}
