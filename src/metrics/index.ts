/**
 * Metrics of rings, seen from outside, and of the programs at work on them.
 *
 * @module shared-block-ring/metrics
 */
export { EXPOSITION_TYPE, exposition } from './exposition.ts'
export type { HistogramValue, MetricFamily, MetricLabels, MetricSample } from './family.ts'
export { Instruments, type InstrumentsOptions } from './instruments/index.ts'
export { type PrometheusRegistry, registerMetrics } from './prometheus.ts'
export { type CollectOptions, collect } from './rings.ts'
