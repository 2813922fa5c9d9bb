/** Metrics of rings, seen from outside. */
export { EXPOSITION_TYPE, exposition } from './exposition.ts'
export type { HistogramValue, MetricFamily, MetricLabels, MetricSample } from './family.ts'
export { type CollectOptions, collect } from './rings.ts'
