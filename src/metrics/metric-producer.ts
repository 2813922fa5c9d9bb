import { cumulative } from './exposition.ts'
import type { HistogramValue, MetricFamily, MetricLabels } from './family.ts'
import type { Instruments } from './instruments/index.ts'

// What is used of `@opentelemetry/sdk-metrics`, by its shape and by the numbers of its enums: none of it is loaded.

const CUMULATIVE = 1
const DOUBLE = 1
const POINTS = { histogram: 0, gauge: 2, sum: 3 } as const

/** A value of a metric. Times are seconds since 1970, and nanoseconds. */
export interface OpenTelemetryPoint<Value> {
  readonly startTime: [number, number]
  readonly endTime: [number, number]
  readonly attributes: Record<string, string>
  readonly value: Value
}

/** A metric as `@opentelemetry/sdk-metrics` has it: counts since the start, with the numbers of its enums. */
export type OpenTelemetryMetric = {
  readonly descriptor: {
    readonly name: string
    readonly description: string
    readonly unit: string
    readonly valueType: typeof DOUBLE
  }
  readonly aggregationTemporality: typeof CUMULATIVE
} & (
  | {
      readonly dataPointType: typeof POINTS.gauge
      readonly dataPoints: OpenTelemetryPoint<number>[]
    }
  | {
      readonly dataPointType: typeof POINTS.sum
      readonly dataPoints: OpenTelemetryPoint<number>[]
      readonly isMonotonic: boolean
    }
  | {
      readonly dataPointType: typeof POINTS.histogram
      readonly dataPoints: OpenTelemetryPoint<{
        readonly buckets: { boundaries: number[]; counts: number[] }
        readonly sum: number
        readonly count: number
      }>[]
    }
)

/** A `MetricProducer` of `@opentelemetry/sdk-metrics`. */
export interface OpenTelemetryMetrics {
  /** The counts so far. They have no resource: a metric reader has that of its program. */
  collect(): Promise<{
    readonly resourceMetrics: {
      readonly resource: {
        readonly attributes: Record<string, never>
        /** As the SDK asks for. */
        merge(other: never): never
        /** As the SDK asks for. */
        getRawAttributes(): []
      }
      readonly scopeMetrics: {
        readonly scope: { readonly name: string }
        readonly metrics: OpenTelemetryMetric[]
      }[]
    }
    readonly errors: unknown[]
  }>
}

type OfMetrics = Awaited<ReturnType<OpenTelemetryMetrics['collect']>>['resourceMetrics']
type HistogramPoint = Extract<
  OpenTelemetryMetric,
  { readonly dataPointType: typeof POINTS.histogram }
>['dataPoints'][number]['value']

/** The name of this package's instruments and spans. */
export const SCOPE = 'shared-block-ring'

const UNITS: readonly (readonly [ending: RegExp, unit: string])[] = [
  [/_seconds$/, 's'],
  [/_bytes(_total)?$/, 'By'],
]
const NO_RESOURCE: OfMetrics['resource'] = {
  attributes: {},
  merge: (other) => other,
  getRawAttributes: () => [],
}

/**
 * The metrics of instruments, for OpenTelemetry: `metricProducers: [metricProducer(instruments)]` of a metric reader.
 * They have the names that Prometheus gets; nothing is counted twice, and nothing is done before the reader asks.
 */
export function metricProducer(
  instruments: Pick<Instruments, 'families' | 'collect' | 'descriptors'>,
): OpenTelemetryMetrics {
  const startTime = now()
  return {
    collect: async () => {
      const families = await instruments.collect()
      const times = { startTime, endTime: now() }
      const metrics = families
        .filter(({ samples }) => samples.length > 0)
        .map((family) => metricOf(family, times))
      const scopeMetrics = [{ scope: { name: SCOPE }, metrics }]
      return { resourceMetrics: { resource: NO_RESOURCE, scopeMetrics }, errors: [] }
    },
  }
}

type Times = Pick<OpenTelemetryPoint<never>, 'startTime' | 'endTime'>

function metricOf({ name, type, help, samples }: MetricFamily, times: Times): OpenTelemetryMetric {
  const unit = UNITS.find(([ending]) => ending.test(name))?.[1] ?? '1'
  const described = {
    descriptor: { name, description: help, unit, valueType: DOUBLE },
    aggregationTemporality: CUMULATIVE,
  } as const
  const numbers = samples.flatMap(({ labels, value }) =>
    typeof value === 'number' ? [pointOf(labels, value, times)] : [],
  )
  if (type === 'gauge') return { ...described, dataPointType: POINTS.gauge, dataPoints: numbers }
  if (type === 'counter') {
    return { ...described, dataPointType: POINTS.sum, dataPoints: numbers, isMonotonic: true }
  }
  const dataPoints = samples.flatMap(({ labels, value }) =>
    typeof value === 'number' ? [] : [pointOf(labels, histogramOf(value), times)],
  )
  return { ...described, dataPointType: POINTS.histogram, dataPoints }
}

function pointOf<Value>(
  labels: MetricLabels,
  value: Value,
  times: Times,
): OpenTelemetryPoint<Value> {
  return { ...times, attributes: { ...labels }, value }
}

function histogramOf(value: HistogramValue): HistogramPoint {
  const { count } = cumulative(value)
  const { bounds, counts, sum } = value
  return { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count }
}

function now(): [number, number] {
  const ms = Date.now()
  return [Math.floor(ms / 1000), (ms % 1000) * 1_000_000]
}
