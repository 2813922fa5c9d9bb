/**
 * Metrics of rings, seen from outside, and of the programs at work on them.
 *
 * @module shared-block-ring/metrics
 */
export { EXPOSITION_TYPE, exposition } from './exposition.ts'
export type { HistogramValue, MetricFamily, MetricLabels, MetricSample } from './family.ts'
export { Instruments, type InstrumentsOptions } from './instruments/index.ts'
export {
  metricProducer,
  type OpenTelemetryMetric,
  type OpenTelemetryMetrics,
  type OpenTelemetryPoint,
} from './metric-producer.ts'
export { type PrometheusRegistry, registerMetrics } from './prometheus.ts'
export { type CollectOptions, collect } from './rings.ts'
export { type TracedReader, type TracedWriter, Tracing } from './tracing.ts'
export type {
  TraceContext,
  TracedError,
  TraceHeaderGetter,
  TraceSpan,
  TraceSpanContext,
  TraceSpanOptions,
  TraceTracer,
  TracingApi,
} from './tracing-api.ts'
