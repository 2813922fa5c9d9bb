import { type HistogramValue, type MetricFamily, type MetricLabels, PREFIX } from '../family.ts'
import { labelText } from '../label.ts'

/** One name among an instrument's metrics. */
export interface Metric<R> extends Pick<MetricFamily, 'type' | 'help'> {
  /** Without the prefix. */
  readonly name: string
  /** The samples; an unknown value has none. A histogram has the same samples from the start. */
  readonly samples: (
    record: R,
  ) => readonly (readonly [value: number | HistogramValue | undefined, labels?: MetricLabels])[]
}

/** Turns a channel's events into metrics. */
export interface Definition<Event, R> {
  /** The channel's name. */
  readonly channel: string
  /** The labels that distinguish records, and where an event has them: at most three. */
  readonly labels: Readonly<Record<string, (event: Event) => string>>
  /** An empty record. */
  readonly start: () => R
  readonly hear: (record: R, event: Event) => void
  readonly metrics: readonly Metric<R>[]
}

/** The counts of a channel's events. */
export interface Instrument {
  readonly channel: string
  readonly hear: (message: unknown) => void
  /** All metrics so far. */
  families(): readonly MetricFamily[]
}

/** The label values of records beyond the limit. */
const OTHERS = 'other'

/** Makes an instrument of a channel. */
export type MakeInstrument = (most: number) => Instrument

/** Makes an instrument with at most `most` records, and one more for all others. */
export function instrumentOf<Event, R>(definition: Definition<Event, R>): MakeInstrument {
  const { channel, start, hear, metrics } = definition
  const [names, readers] = [Object.keys(definition.labels), Object.values(definition.labels)]
  const others = names.map(() => OTHERS)
  return (most) => {
    const records = new Map<string, { readonly labels: MetricLabels; readonly record: R }>()
    /** The record of the last event; the next one is mostly of the same. */
    let last: { readonly values: readonly string[]; readonly record: R } | undefined

    const recordOf = (values: readonly string[]): R => {
      const key = JSON.stringify(values)
      const known = records.get(key)
      if (known !== undefined) return known.record
      if (records.size >= most && values !== others) return recordOf(others)
      const record = start()
      const pairs = names.map((name, at) => [name, labelText(values[at] ?? '')])
      records.set(key, { labels: Object.fromEntries(pairs), record })
      return record
    }

    const isOf = (values: readonly string[], event: Event): boolean => {
      for (let at = 0; at < readers.length; at++)
        if (readers[at]?.(event) !== values[at]) return false
      return true
    }

    const recordFor = (event: Event): R => {
      if (last !== undefined && isOf(last.values, event)) return last.record
      const values = readers.map((read) => read(event))
      last = { values, record: recordOf(values) }
      return last.record
    }

    return {
      channel,
      hear: (message) => hear(recordFor(message as Event), message as Event),
      families: () =>
        metrics.map(({ name, type, help, samples }) => ({
          name: PREFIX + name,
          type,
          help,
          samples: [...records.values()].flatMap(({ labels, record }) =>
            samples(record).flatMap(([value, more]) =>
              value === undefined ? [] : [{ labels: { ...labels, ...more }, value: copied(value) }],
            ),
          ),
        })),
    }
  }
}

function copied(value: number | HistogramValue): number | HistogramValue {
  if (typeof value === 'number') return value
  const { bounds, counts, sum } = value
  return { bounds, counts: [...counts], sum }
}

/** A metric with one value for each record. */
export function one<R>(
  type: MetricFamily['type'],
  name: string,
  help: string,
  read: (record: R) => number | HistogramValue | undefined,
): Metric<R> {
  return { name, type, help, samples: (record) => [[read(record)]] }
}

/** A metric with a value for each value of a label. */
export function each<R, Value extends string>(
  type: MetricFamily['type'],
  name: string,
  help: string,
  label: string,
  read: (record: R) => Readonly<Record<Value, number | HistogramValue>>,
): Metric<R> {
  return {
    name,
    type,
    help,
    samples: (record) =>
      Object.entries<number | HistogramValue>(read(record)).map(([of, value]) => [
        value,
        { [label]: of },
      ]),
  }
}
