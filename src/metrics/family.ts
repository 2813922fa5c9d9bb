/** All samples of one name. */
export interface MetricFamily {
  /** By the conventions of Prometheus: base units, `_total` after a counter. */
  readonly name: string
  /** The kind of its values. */
  readonly type: 'gauge' | 'counter' | 'histogram'
  /** Its meaning, in one sentence. */
  readonly help: string
  /** One for each known value. */
  readonly samples: readonly MetricSample[]
}

/** One value, with its labels. */
export interface MetricSample {
  /** Identifies the subject of the value. */
  readonly labels: MetricLabels
  /** A histogram in a family of that type, otherwise a number. */
  readonly value: number | HistogramValue
}

/**
 * Names and values that distinguish samples of one name. The values are safe to show, and at most 256 characters long.
 */
export type MetricLabels = Readonly<Record<string, string>>

/** The distribution of observations since the process began to count. */
export interface HistogramValue {
  /** The upper bounds of the buckets, ascending, without infinity. */
  readonly bounds: readonly number[]
  /** Observations in each bucket, not cumulative; the last one has those above all bounds. */
  readonly counts: readonly number[]
  /** All observations added up. */
  readonly sum: number
}

/** The prefix of all names. */
export const PREFIX = 'shared_block_ring_'

/**
 * Merges families of the same name, in the order in which the names first appear.
 * @param sets such as those of several rings
 */
export function merged(sets: readonly (readonly MetricFamily[])[]): readonly MetricFamily[] {
  const byName = new Map<string, MetricFamily>()
  for (const family of sets.flat()) {
    const before = byName.get(family.name)
    const samples = [...(before?.samples ?? []), ...family.samples]
    byName.set(family.name, { ...family, samples })
  }
  return [...byName.values()]
}
