import { type HistogramValue, type MetricFamily, type MetricLabels, merged } from './family.ts'

/** The content type of {@link exposition}, for an HTTP response. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Metrics in the text format of Prometheus, version 0.0.4. A family without samples is left out.
 * @param sets what `collect` or instruments return; families of one name become one
 */
export function exposition(...sets: readonly (readonly MetricFamily[])[]): string {
  return merged(sets)
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(({ labels, value }) =>
        typeof value === 'number' ? lineOf(name, labels, value) : linesOf(name, labels, value),
      )
      const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
      return `# HELP ${name} ${escaped}\n# TYPE ${name} ${type}\n${lines.join('')}`
    })
    .join('')
}

function linesOf(name: string, labels: MetricLabels, histogram: HistogramValue): string {
  const { buckets, count } = cumulative(histogram)
  const lines = buckets.map(({ le, count }) => lineOf(`${name}_bucket`, { ...labels, le }, count))
  lines.push(lineOf(`${name}_sum`, labels, histogram.sum), lineOf(`${name}_count`, labels, count))
  return lines.join('')
}

/** A histogram as Prometheus has it: each bucket includes those before it. */
export function cumulative({ bounds, counts }: HistogramValue): {
  readonly buckets: readonly { readonly le: string; readonly count: number }[]
  readonly count: number
} {
  let count = 0
  const buckets = counts.map((more, index) => {
    count += more
    const bound = bounds[index]
    return { le: bound === undefined ? '+Inf' : String(bound), count }
  })
  return { buckets, count }
}

function lineOf(name: string, labels: MetricLabels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return `${name}{${pairs.join(',')}} ${value}\n`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
