import { cumulative } from './exposition.ts'
import type { MetricFamily, MetricLabels } from './family.ts'
import type { Instruments } from './instruments/index.ts'

/** The part of a registry of `prom-client` that is used here. */
export interface PrometheusRegistry {
  /** Adds a metric. */
  registerMetric(metric: never): void
  /** Removes the metric of a name. */
  removeSingleMetric(name: string): void
}

/** A value as `prom-client` prints it. */
interface PrintedValue {
  readonly labels: MetricLabels
  readonly value: number
  readonly metricName?: string
}

/**
 * Adds the metrics of instruments to a registry of `prom-client`, until it is disposed. The registry collects them each
 * time that it is read: nothing is counted twice.
 * @param registry such as `register` of `prom-client`
 * @throws {Error} the registry has a metric of that name already
 */
export function registerMetrics(
  registry: PrometheusRegistry,
  instruments: Pick<Instruments, 'families' | 'collect' | 'descriptors'>,
): Disposable {
  const added: string[] = []
  const remove = (): void => {
    for (const name of added) registry.removeSingleMetric(name)
  }
  try {
    for (const { name, type, help } of instruments.descriptors()) {
      const metric = {
        // The registry changes the name if its format has another one.
        ...{ name, type, help, aggregator: 'sum' },
        get: async () => {
          const families = await instruments.collect()
          const family = families.find((one) => one.name === name)
          const { name: shown } = metric
          return { name: shown, type, help, aggregator: 'sum', values: valuesOf(family, shown) }
        },
        reset: () => undefined,
      }
      registry.registerMetric(metric as never)
      added.push(name)
    }
  } catch (error) {
    remove()
    throw error
  }
  return { [Symbol.dispose]: remove }
}

function valuesOf(family: MetricFamily | undefined, name: string): readonly PrintedValue[] {
  return (family?.samples ?? []).flatMap(({ labels, value }): readonly PrintedValue[] => {
    if (typeof value === 'number') return [{ labels, value }]
    const { buckets, count } = cumulative(value)
    return [
      ...buckets.map((bucket) => ({
        labels: { ...labels, le: bucket.le },
        value: bucket.count,
        metricName: `${name}_bucket`,
      })),
      { labels, value: value.sum, metricName: `${name}_sum` },
      { labels, value: count, metricName: `${name}_count` },
    ]
  })
}
